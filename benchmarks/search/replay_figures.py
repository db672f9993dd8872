"""What a replay is measured by: epochs used, the best trial, and the good trials lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from recsys_search.model.config import TrainingConfig
from recsys_search.model.training.reports import EpochReport

NEGLIGIBLE = 0.001  # stars; smaller differences are a curve's noise


TOP_SHARE = 0.1  # of the curves


RESAMPLINGS = 2000


Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A recorded trial, which `trial_progress` accepts in place of a training."""

    index: int
    config: TrainingConfig
    bias_val_rmse: float
    reports: list[EpochReport]

    @property
    def values(self) -> list[float]:
        """Validation RMSE by epoch."""
        return [report.val_rmse for report in self.reports]


class Outcome(NamedTuple):
    """How a curve ended. Attributes: epochs: how many it ran; complete: rather than pruned."""

    curve: int
    epochs: int
    complete: bool


Replay = list[Outcome]


def epochs_used(curves: Sequence[Curve], replay: Replay) -> float:
    """Epochs run, as a share of all recorded epochs."""
    return sum(o.epochs for o in replay) / sum(len(curve.reports) for curve in curves)


def regret(curves: Sequence[Curve], replay: Replay) -> float:
    """How far the best complete trial is from the best curve, in stars."""
    reached = min(best(curves[o.curve], o.epochs) for o in replay if o.complete)
    return reached - min(map(best, curves))


def lost(curves: Sequence[Curve], replay: Replay) -> set[int]:
    """The top curves that were stopped before they came near their best."""
    ran = {o.curve: o.epochs for o in replay}
    return {at for at in top(curves) if best(curves[at], ran[at]) - best(curves[at]) > NEGLIGIBLE}


def epochs_to_best(curves: Sequence[Curve], replay: Replay) -> tuple[int, bool]:
    """Epochs until a complete trial was within noise of the best curve, and whether one was."""
    goal = min(map(best, curves)) + NEGLIGIBLE
    spent = 0
    for outcome in replay:
        spent += outcome.epochs
        if outcome.complete and best(curves[outcome.curve], outcome.epochs) <= goal:
            return spent, True
    return spent, False


def top(curves: Sequence[Curve]) -> list[int]:
    """Positions of the curves with the lowest values."""
    ranked = sorted(range(len(curves)), key=lambda at: best(curves[at]))
    return ranked[: math.ceil(TOP_SHARE * len(curves))]


def best(curve: Curve, epochs: int | None = None) -> float:
    """The lowest validation RMSE of the first epochs."""
    return min((v for v in curve.values[:epochs] if math.isfinite(v)), default=math.inf)


def summary(rows: Doubles, median: Doubles) -> dict[str, Any]:
    """Means over the orders with 95% bounds; median: the rows of Optuna's median pruner.

    Epochs to the best include the orders in which it was not found: all epochs spent, divided by
    how often it was found, as if the study were repeated until it is.
    """
    n_top = rows.shape[1] - 4
    lost_share = float(rows[:, 4:].mean())
    return {
        "epochs_used": with_bounds(lambda at: rows[at, 0].mean(), len(rows)),
        "regret": with_bounds(lambda at: rows[at, 1].mean(), len(rows)),
        "lost": round(n_top * lost_share, 2),
        "lost_ever": int(rows[:, 4:].any(axis=0).sum()),
        "lost_share_below": round(wilson_upper(lost_share, n_top), 3),
        "n_top": n_top,
        "found": round(float(rows[:, 3].mean()), 3),
        "epochs_to_best": with_bounds(lambda at: to_best(rows[at]), len(rows)),
        "times_fewer": with_bounds(lambda at: to_best(median[at]) / to_best(rows[at]), len(rows)),
    }


def to_best(rows: Doubles) -> float:
    return float(rows[:, 2].sum() / max(rows[:, 3].sum(), 1.0))


def with_bounds(statistic: Callable[[NDArray[np.intp]], float], n: int) -> list[float]:
    """[value, low, high], by resampling the orders with the same draws for every policy."""
    rng = np.random.default_rng(0)
    drawn = [statistic(rng.integers(n, size=n)) for _ in range(RESAMPLINGS)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return [float(f"{value:.4g}") for value in (statistic(np.arange(n)), low, high)]


def wilson_upper(share: float, n: int) -> float:
    """Upper end of the 95% interval of a share of n.

    By hand: scipy's takes whole counts, and this share is a mean over orders.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    z = 1.96
    middle = share + z**2 / (2 * n)
    return (middle + z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))) / (1 + z**2 / n)


def table(figures: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| pruners | epochs used | final regret | top lost | best found | epochs to best "
        "| fewer than the median's |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, f in figures.items():
        used, low, high = f["epochs_used"]
        fewer, fewer_low, fewer_high = f["times_fewer"]
        lines.append(
            f"| {name} | {100 * used:.1f}% ({100 * low:.1f} to {100 * high:.1f}) "
            f"| {f['regret'][0]:.5f} (to {f['regret'][2]:.5f}) "
            f"| {f['lost']:.2f} of {f['n_top']} (to {100 * f['lost_share_below']:.0f}%) "
            f"| {100 * f['found']:.0f}% | {f['epochs_to_best'][0]:.0f} "
            f"| {fewer:.2f} ({fewer_low:.2f} to {fewer_high:.2f}) |"
        )
    return "\n".join(lines)
