"""Replays studies on recorded curves, in random orders: what pruners save, and what they lose.

    python benchmarks/replay.py --curves benchmarks/curves --half judge --out benchmarks/results

No training: each curve is a trial that reports epoch by epoch to a study in memory and ends as a
pruner has it, ours by the project's own rules and endings, Optuna's at their defaults. Prints a
table of each architecture in Markdown, and one of all in one study, as docs/pruners.md has them,
and writes them as JSON.

Thresholds are tuned on the curves of even index and judged on those of odd index.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
from curves import FOLDER, read_curves
from keep import add_out, keep
from machine import machine
from numpy.typing import NDArray
from optuna.pruners import BasePruner
from optuna.samplers import RandomSampler
from optuna.trial import Trial, TrialState
from recsys_search.model.architectures.configs import config_from_mapping
from recsys_search.model.architectures.table import architecture_names
from recsys_search.model.config import TrainingConfig, config_to_mapping
from recsys_search.model.training.reports import EpochReport, report_of
from recsys_search.search.definition.study_file import load_study
from recsys_search.search.pruners import plateau
from recsys_search.search.pruners.divergence import Divergence
from recsys_search.search.pruners.resources import GpuMemory
from recsys_search.search.pruners.rule import Kind, Progress
from recsys_search.search.pruners.table import pruner_to_mapping
from recsys_search.search.pruners.trial_pruner import TrialPruner
from recsys_search.search.running.endings import Ending, last_epoch_reached, stopped, trial_progress
from recsys_search.search.storage.trials import CONFIG

NOTICED = 0.001  # stars; less is a curve's noise
TOP_SHARE = 0.1  # of the curves
FEWEST_CURVES = 20
RECORDED = ["two_tower", "hybrid"]
RESAMPLINGS = 2000
Doubles = NDArray[np.float64]
HALVES: dict[str, Callable[[int], bool]] = {
    "tune": lambda index: index % 2 == 0,
    "judge": lambda index: index % 2 == 1,
    "all": lambda index: True,
}


@dataclass(frozen=True)
class Curve:
    """A recorded trial; to `progress` it is as good as a training."""

    index: int
    config: TrainingConfig
    bias_val_rmse: float
    reports: list[EpochReport]

    @property
    def values(self) -> list[float]:
        """Validation RMSE by epoch."""
        return [report.val_rmse for report in self.reports]


class Outcome(NamedTuple):
    """Attributes: epochs: that it ran; complete: rather than pruned."""

    curve: int
    epochs: int
    complete: bool


Replay = list[Outcome]


def read(architecture: str, folder: Path, half: str) -> list[Curve]:
    lines = {line["index"]: line for line in read_curves(architecture, folder)}
    return [curve_of(lines[index]) for index in sorted(lines) if HALVES[half](index)]


def curve_of(line: dict[str, Any]) -> Curve:
    columns = line["reports"]
    rows = zip(*columns.values(), strict=True)
    return Curve(
        index=line["index"],
        config=config_from_mapping(line["config"]),
        bias_val_rmse=line["bias_val_rmse"],
        reports=[report_of(dict(zip(columns, row, strict=True))) for row in rows],
    )


def policies(study: str) -> dict[str, Callable[[], BasePruner]]:
    """What is compared: the study's pruners together, each of them alone, and Optuna's own.

    GPU memory is left out: the curves have none.
    """
    pruners = [pruner for pruner in load_study(study).pruners if not isinstance(pruner, GpuMemory)]
    by_name = {next(iter(pruner_to_mapping(pruner))): pruner for pruner in pruners}
    return {
        "none": optuna.pruners.NopPruner,
        study: lambda: TrialPruner(pruners),
        **{
            f"{name} alone": lambda pruner=pruner: TrialPruner([pruner])
            for name, pruner in by_name.items()
        },
        "Optuna median": optuna.pruners.MedianPruner,
        "Optuna percentile": lambda: optuna.pruners.PercentilePruner(25.0),
        "Optuna hyperband": lambda: optuna.pruners.HyperbandPruner(max_resource=30),
        "Optuna successive halving": optuna.pruners.SuccessiveHalvingPruner,
        "Optuna patient median": lambda: optuna.pruners.PatientPruner(
            optuna.pruners.MedianPruner(), patience=1
        ),
    }


def replayed(curves: Sequence[Curve], pruner: BasePruner, seed: int) -> Replay:
    """One study, the curves in the random order of that seed."""
    # Hyperband draws a trial's bracket by the study's name.
    study = optuna.create_study(
        study_name=f"order {seed}", pruner=pruner, sampler=RandomSampler(seed=0)
    )
    judge = by_rules if isinstance(pruner, TrialPruner) else by_optuna
    outcomes = []
    for at in np.random.default_rng(seed).permutation(len(curves)):
        trial = study.ask()
        epochs, state = judge(trial, curves[at])
        complete = state == TrialState.COMPLETE
        study.tell(trial, best(curves[at], epochs) if complete else None, state)
        outcomes.append(Outcome(int(at), epochs, complete))
    return outcomes


def by_optuna(trial: Trial, curve: Curve) -> tuple[int, TrialState]:
    """As Optuna's own examples do it: epochs and state."""
    for report in curve.reports:
        trial.report(report.val_rmse, report.epoch)
        if trial.should_prune():
            return report.epoch, TrialState.PRUNED
    return len(curve.reports), TrialState.COMPLETE


def by_rules(trial: Trial, curve: Curve) -> tuple[int, TrialState]:
    """As the objective does it: epochs and state."""
    trial.storage.set_trial_system_attr(trial._trial_id, CONFIG, config_to_mapping(curve.config))
    others = trial_progress(trial, curve)  # type: ignore[arg-type]
    for epoch in range(1, len(curve.reports) + 1):
        seen = replace(others, reports=curve.reports[:epoch])
        if ending := ending_after(trial, seen):
            trial.set_user_attr("stop_reason", ending.stop_reason)
            return epoch, ending.state
    raise AssertionError("the last epoch ends a trial")


def ending_after(trial: Trial, seen: Progress) -> Ending | None:
    """In the order of `Objective`; None if the trial goes on."""
    if not seen.last.finite:
        stop = Divergence().judge(seen)
        return stopped(stop, seen) if stop else None
    pruner = trial.study.pruner
    assert isinstance(pruner, TrialPruner)
    trial.report(seen.last.val_rmse, seen.last.epoch)
    pruner.observe(trial.number, seen)
    stop = pruner.stop if trial.should_prune() else None
    last_epoch = seen.last.epoch == seen.config.max_epochs
    if stop and (stop.kind is Kind.SICK or not last_epoch):
        return stopped(stop, seen)
    return last_epoch_reached(seen) if last_epoch else None


def epochs_used(curves: Sequence[Curve], replay: Replay) -> float:
    """As a share of all epochs that were recorded."""
    return sum(o.epochs for o in replay) / sum(len(curve.reports) for curve in curves)


def regret(curves: Sequence[Curve], replay: Replay) -> float:
    """How far the best complete trial is from the best curve, in stars."""
    found = min(best(curves[o.curve], o.epochs) for o in replay if o.complete)
    return found - min(map(best, curves))


def lost(curves: Sequence[Curve], replay: Replay) -> set[int]:
    """Those of the top curves that were stopped before they came near their best."""
    ran = {o.curve: o.epochs for o in replay}
    return {at for at in top(curves) if best(curves[at], ran[at]) - best(curves[at]) > NOTICED}


def epochs_to_best(curves: Sequence[Curve], replay: Replay) -> tuple[int, bool]:
    """Epochs until a complete trial was within noise of the best curve; all, if none ever was."""
    goal = min(map(best, curves)) + NOTICED
    spent = 0
    for outcome in replay:
        spent += outcome.epochs
        if outcome.complete and best(curves[outcome.curve], outcome.epochs) <= goal:
            return spent, True
    return spent, False


def top(curves: Sequence[Curve]) -> list[int]:
    """Positions of the curves that come lowest in the end."""
    ranked = sorted(range(len(curves)), key=lambda at: best(curves[at]))
    return ranked[: math.ceil(TOP_SHARE * len(curves))]


def best(curve: Curve, epochs: int | None = None) -> float:
    """The lowest validation RMSE of the first epochs."""
    return min((v for v in curve.values[:epochs] if math.isfinite(v)), default=math.inf)


def measured(
    architectures: Sequence[str], folder: Path, half: str, study: str, policy: str, n_orders: int
) -> Doubles:
    """Each order's figures: epochs used, regret, epochs to the best and whether it was found,
    and a column for each top curve, 1 where it was lost: (n_orders, 4 + n_top)."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plateau.forecast = cache(plateau.forecast)  # a curve's does not depend on the others
    curves = [curve for name in architectures for curve in read(name, folder, half)]
    rows = []
    for seed in range(n_orders):
        replay = replayed(curves, policies(study)[policy](), seed)
        gone = lost(curves, replay)
        figures = [epochs_used(curves, replay), regret(curves, replay)]
        rows.append(
            [*figures, *epochs_to_best(curves, replay), *(at in gone for at in top(curves))]
        )
    return np.array(rows, np.float64)


def summary(rows: Doubles, median: Doubles) -> dict[str, Any]:
    """Means over the orders with 95% bounds; median: the rows of Optuna's median pruner.

    Epochs to the best count the orders in which it was not found too: all epochs spent, over the
    number of times it was found, as if one began again until it is.
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
    """[value, low, high], by resampling the orders; the same draws for every policy."""
    rng = np.random.default_rng(0)
    drawn = [statistic(rng.integers(n, size=n)) for _ in range(RESAMPLINGS)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return [float(f"{value:.4g}") for value in (statistic(np.arange(n)), low, high)]


def wilson_upper(share: float, n: int) -> float:
    """95% upper bound (two-sided) of a share of n.

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=Path, default=FOLDER, help="the folder of the curves")
    parser.add_argument(
        "--architectures", nargs="+", default=RECORDED, choices=architecture_names()
    )
    parser.add_argument("--study", default="breakthrough", help="whose pruners are replayed")
    parser.add_argument("--half", default="all", choices=list(HALVES))
    parser.add_argument("--orders", type=int, default=200)
    add_out(parser)
    args = parser.parse_args()
    document: dict[str, Any] = {"machine": machine(), "half": args.half, "orders": args.orders}
    n_curves = {name: len(read(name, args.curves, args.half)) for name in args.architectures}
    enough = [name for name, n in n_curves.items() if n >= FEWEST_CURVES]
    for group in (*([name] for name in enough), *([enough] if len(enough) > 1 else [])):
        title, n = " and ".join(group), sum(n_curves[name] for name in group)
        print(f"\n{title}: {n} curves ({args.half}), {args.orders} orders\n", flush=True)
        names = list(policies(args.study))
        asked = (group, args.curves, args.half, args.study)
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            tasks = {name: pool.submit(measured, *asked, name, args.orders) for name in names}
            rows = {name: task.result() for name, task in tasks.items()}
        figures = {name: summary(rows[name], rows["Optuna median"]) for name in names}
        print(table(figures))
        document[title] = {"curves": n, "policies": figures}
    for name, n in n_curves.items():
        if n < FEWEST_CURVES:
            print(f"\n{name}: {n} curves are too few; {FEWEST_CURVES} are needed")
    keep(args.out, "replay", document)


if __name__ == "__main__":
    main()
