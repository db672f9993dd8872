"""An early stop by the trial's own curve: it is level, and little more is to come."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Annotated

import numpy as np
from pydantic import Field

from ...base.strict import Chance, Count, Number, Strict
from ...model.config import TrainingConfig, VaeConfig
from .forecast import Forecast, forecast
from .progress import Progress, Stop

EARLY_EPOCH = 20  # a plateau before it was the reference's sign of a config that will not do
FEWEST_EPOCHS = 5  # after the warm-up, for a forecast
TAIL = 8  # epochs that a forecast looks back on


class Plateau(Strict):
    """Nothing more will come of it: the chances to improve by more than `delta`, and to beat the
    incumbent, are both small, at some epochs in a row.

    The chances are those of `forecast`, fitted to the last epochs, none of them in the warm-up of
    the KL weight or the learning rate. A curve that no shape fits is left to go on.
    """

    delta: Annotated[Number, Field(gt=0)] = 0.001  # stars
    chance: Chance = 0.05
    checks: Count = 2  # epochs in a row
    poor_fit: Annotated[Number, Field(gt=0)] = 0.01  # stars of noise around the best shape

    def judge(self, seen: Progress) -> Stop | None:
        if len(seen.reports) < self.checks:
            return None
        chances = []
        for left_out in range(self.checks):
            chance = self._chance(seen, left_out)
            if chance is None or chance >= self.chance:
                return None
            chances.append(chance)
        best = seen.best
        assert best is not None
        epoch, left = seen.last.epoch, seen.config.max_epochs - seen.last.epoch
        trails = seen.incumbent is not None and best.val_rmse > seen.incumbent
        early = f" of {seen.config.max_epochs}, early for a config that will do"
        return Stop(
            "plateau",
            f"validation RMSE {best.val_rmse:.4f} (epoch {best.epoch}) is level by epoch "
            f"{epoch}{early if trails and epoch < EARLY_EPOCH else ''}: the chance to fall below "
            f"{self._goal(seen, best.val_rmse):.4f} in the {left} epoch{'s' * (left != 1)} left is "
            f"{100 * chances[0]:.1f}% (limit {100 * self.chance:g}%)",
        )

    def _chance(self, seen: Progress, left_out: int) -> float | None:
        """To do better, as it stood some epochs ago; None where there is no telling."""
        values = tuple(r.val_rmse for r in seen.reports[: len(seen.reports) - left_out])
        ahead = curve_ahead(seen.config, values)
        if ahead is None or ahead.noise > self.poor_fit:
            return None
        return ahead.chance_below(self._goal(seen, min(values)))

    def _goal(self, seen: Progress, best: float) -> float:
        """The higher of the two goals: better by delta, and better than the incumbent.

        Whoever is ahead of the incumbent already has only himself to beat.
        """
        improved = best - self.delta
        if seen.incumbent is None or best <= seen.incumbent:
            return improved
        return max(improved, seen.incumbent)


def curve_ahead(config: TrainingConfig, values: Sequence[float]) -> Forecast | None:
    """The forecast of a curve, given from its first epoch on; None while it tells too little."""
    warmup = max(config.lr_warmup_epochs, _beta_warmup(config))
    begins = max(2, ceil(warmup) + 1)
    n_epochs = len(values) - begins + 1
    # A steep beginning that no shape follows closely would pass for noise in what came later.
    first_epoch = len(values) - min(n_epochs, TAIL) + 1
    tail = values[first_epoch - 1 :]
    if n_epochs < FEWEST_EPOCHS or not np.isfinite(tail).all():
        return None
    return forecast(tail, first_epoch=first_epoch, max_epochs=config.max_epochs)


def _beta_warmup(config: TrainingConfig) -> float:
    """Epochs until the KL weight stands still, as near as a curve can tell."""
    if not isinstance(config, VaeConfig):
        return 0.0
    if config.kl_schedule == "linear":
        return 0.9 * config.kl_warmup_epochs
    return config.max_epochs / config.kl_cycles if config.kl_schedule == "cyclical" else 0.0
