"""Early stops by what the rest of the curve may bring: a plateau, or no chance to catch up."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Annotated

import numpy as np
from pydantic import Field

from ...model.config import TrainingConfig, VaeConfig
from ...strict import Count, Natural, Number, Strict, Whole
from .forecast import Forecast, forecast, student_t_cdf
from .progress import SEED_NOISE, Progress, Stop

EARLY_EPOCH = 20  # a plateau before it was the reference's sign of a config that will not do
FEWEST_EPOCHS = 5  # after the warm-up, for a forecast
TAIL = 8  # epochs that a forecast looks back on

Chance = Annotated[Number, Field(gt=0, lt=1)]


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


class Hopeless(Strict):
    """It will hardly come near the incumbent, by how far completed trials of its kind still fell
    from the same epoch on.

    The falls that remain are taken as draws of one normal distribution, of unknown mean and spread:
    the next one's is a t distribution. Two trials tell little of a spread, so a guess has its part.
    """

    chance: Chance = 0.05
    checks: Count = 1  # epochs in a row
    completed: Annotated[Whole, Field(ge=2)] = 2  # trials, at least, to learn from
    near: Annotated[Number, Field(ge=0)] = SEED_NOISE  # stars above the incumbent
    warmup_epochs: Natural = 1

    def judge(self, seen: Progress) -> Stop | None:
        if seen.incumbent is None or len(seen.reports) < self.checks + self.warmup_epochs:
            return None
        epochs = [len(seen.reports) - left_out for left_out in range(self.checks)]
        falls = remaining_falls(seen.completed, epochs[0])
        if len(falls) < self.completed:
            return None
        chances = [self._chance(seen, epoch) for epoch in epochs]
        if not max(chances) < self.chance:
            return None
        best = seen.best
        assert best is not None
        return Stop(
            "hopeless",
            f"validation RMSE {best.val_rmse:.4f} by epoch {epochs[0]} would have to fall by "
            f"{best.val_rmse - seen.incumbent - self.near:.4f} to come within {self.near:g} of the "
            f"best trial's {seen.incumbent:.4f}; the {len(falls)} completed "
            f"{seen.config.architecture} trials fell by {np.mean(falls):.4f} ± "
            f"{np.std(falls, ddof=1):.4f} from there on (chance {100 * chances[0]:.1f}%)",
        )

    def _chance(self, seen: Progress, epoch: int) -> float:
        """To come near the incumbent, as it stood at that epoch."""
        assert seen.incumbent is not None
        best = min(report.val_rmse for report in seen.reports[:epoch])
        falls = remaining_falls(seen.completed, epoch)
        n, mean = len(falls), float(np.mean(falls))
        freedom = PRIOR_TRIALS + n - 1
        guess = PRIOR_TRIALS * (PRIOR_SPREAD * mean) ** 2
        # A curve that ends on the same value as all others had no luck in it: some spread is left.
        spread = sqrt((guess + n * np.var(falls)) / freedom + LEAST_SPREAD**2)
        t = (mean - (best - seen.incumbent - self.near)) / (spread * sqrt(1 + 1 / n))
        return float(student_t_cdf(np.asarray([t]), freedom)[0])


LEAST_SPREAD = 0.001  # stars
PRIOR_SPREAD = 0.3  # of the mean fall: a first guess worth PRIOR_TRIALS trials
PRIOR_TRIALS = 5


def remaining_falls(curves: Sequence[Sequence[float]], epoch: int) -> list[float]:
    """How far the best value of each curve fell after that epoch, in stars.

    Curves that ended by then are left out: nobody knows how far they would have fallen.
    """
    return [min(curve[:epoch]) - min(curve) for curve in curves if len(curve) > epoch]


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
