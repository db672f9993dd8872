"""An early stop by the trial's own curve: it is flat, and is unlikely to improve much."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite
from typing import ClassVar

import numpy as np

from ...base.strict import Chance, Count, Positive
from ...model.config import TrainingConfig, VaeConfig
from .forecast import Forecast, forecast
from .rule import Kind, Progress, Rule, Stop

EARLY_EPOCH = 20  # a plateau before this, behind the best trial, marks an unsuitable config
MIN_EPOCHS = 5  # after the warm-up, for a forecast
TAIL = 8  # epochs that a forecast is fitted to


class Plateau(Rule):
    """The chances to improve by more than `delta`, and to beat the incumbent, are both small, at
    several epochs in a row.

    The chances come from `forecast`, fitted to the last epochs, all of them after the warm-up of
    the KL weight and the learning rate. A curve that no shape fits is never stopped.
    """

    stop_reason: ClassVar[str] = "plateau"
    kind: ClassVar[Kind] = Kind.EXHAUSTED

    delta: Positive = 0.001  # stars
    chance: Chance = 0.05
    checks: Count = 2  # epochs in a row
    poor_fit: Positive = 0.01  # stars of noise around the best shape

    def judge(self, progress: Progress) -> Stop | None:
        if len(progress.reports) < self.checks:
            return None
        chances = []
        for epochs_ago in range(self.checks):
            chance = self._chance(progress, epochs_ago)
            if chance is None or chance >= self.chance:
                return None
            chances.append(chance)
        best, level = progress.best, progress.best_level
        assert best is not None and level is not None
        epoch, max_epochs = progress.last.epoch, progress.config.max_epochs
        left, show = max_epochs - epoch, progress.show
        is_behind = progress.incumbent_level is not None and level > progress.incumbent_level
        early = f" of {max_epochs}, early for a good config"
        return self.stop(
            f"{progress.metric.label} {show(level)} (epoch {best.epoch}) is flat by epoch "
            f"{epoch}{early if is_behind and epoch < EARLY_EPOCH else ''}: the chance to get "
            f"{progress.metric.better_side} {show(self._goal(progress, level))} in the {left} "
            f"epoch{'s' * (left != 1)} left is {100 * chances[0]:.1f}% "
            f"(limit {100 * self.chance:g}%)",
            brief=f"plateau at {show(level)}",
        )

    def _chance(self, progress: Progress, epochs_ago: int) -> float | None:
        """The chance to do better, seen from some epochs ago; None if it cannot be estimated."""
        levels = progress.levels[: len(progress.levels) - epochs_ago]
        rest = forecast_rest(progress.config, levels)
        if rest is None or rest.noise > self.poor_fit:
            return None
        # The epochs before the ones that the forecast is fitted to need not be finite.
        best = min(filter(isfinite, levels))
        return rest.chance_below(self._goal(progress, best))

    def _goal(self, progress: Progress, best: float) -> float:
        """The easier of two goals: better by delta, or better than the incumbent.

        A trial that leads the incumbent already has only its own best to beat.
        """
        improved = best - self.delta
        incumbent = progress.incumbent_level
        if incumbent is None or best <= incumbent:
            return improved
        return max(improved, incumbent)


def forecast_rest(config: TrainingConfig, levels: Sequence[float]) -> Forecast | None:
    """The forecast of a curve; None while it is too short, or not finite in its last epochs.

    Args:
        levels: from the first epoch on.
    """
    warmup = max(config.lr_warmup_epochs, _kl_warmup(config))
    start = max(2, ceil(warmup) + 1)
    n_epochs = len(levels) - start + 1
    # A steep start that no shape follows closely would count as noise in the later epochs.
    first_epoch = len(levels) - min(n_epochs, TAIL) + 1
    tail = levels[first_epoch - 1 :]
    if n_epochs < MIN_EPOCHS or not np.isfinite(tail).all():
        return None
    return forecast(tail, first_epoch=first_epoch, max_epochs=config.max_epochs)


def _kl_warmup(config: TrainingConfig) -> float:
    """Epochs until a linear KL weight is almost constant, or the first cycle has ended."""
    if not isinstance(config, VaeConfig):
        return 0.0
    if config.kl_schedule == "linear":
        return 0.9 * config.kl_warmup_epochs
    return config.max_epochs / config.kl_cycles if config.kl_schedule == "cyclical" else 0.0
