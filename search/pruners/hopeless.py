"""An early stop beside others: where they stood at the same epoch, and how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from ...strict import Chance, Count, Natural, Number, Strict
from .progress import Progress, Stop
from .regression import regression, student_t_cdf

# What is thought of a line through (best so far, best in the end) before a trial is seen. Tuned on
# recorded curves of ml-latest-small.
SLOPE, SLOPE_SD = 0.7, 0.2  # who lags behind makes up for a part of it
END_SD = 1.0  # stars
NOISE_SHARE = 0.3  # of the mean fall that was still to come
LEAST_NOISE = 0.001  # stars
NOISE_TRIALS = 8  # that the guess of the noise is worth


class Hopeless(Strict):
    """It will hardly come near the incumbent, as completed trials of its kind have it.

    Their best value in the end is a line in their best value at the trial's epoch, plus noise, the
    more so, the more their curves jump from epoch to epoch: one that jumps may yet jump down. The
    line of few trials says little, so a guess has its part, and the chance is of a t distribution.
    """

    chance: Chance = 0.05
    completed: Count = 1  # trials, at least, to learn from
    near: Annotated[Number, Field(ge=0)] = 0.005  # stars above the incumbent
    warmup_epochs: Natural = 2

    def judge(self, seen: Progress) -> Stop | None:
        epoch, best = len(seen.reports), seen.best
        if seen.incumbent is None or best is None or epoch <= self.warmup_epochs:
            return None
        # Those that had ended by now do not tell how much further they would have fallen.
        longer = [curve for curve in seen.completed if len(curve) > epoch]
        if len(longer) < self.completed:
            return None
        expected = expected_end(best.val_rmse, epoch, longer)
        chance = expected.chance_below(seen.incumbent + self.near)
        if not chance < self.chance:
            return None
        n = len(longer)
        return Stop(
            "hopeless",
            f"validation RMSE {best.val_rmse:.4f} by epoch {epoch} should end at "
            f"{expected.mean:.4f} ± {expected.sd:.4f}, by the {n} completed "
            f"{seen.config.architecture} trial{'s' * (n > 1)} that ran longer; the chance to come "
            f"within {self.near:g} of the best trial's "
            f"{seen.incumbent:.4f} is {100 * chance:.1f}% (limit {100 * self.chance:g}%)",
        )


class ExpectedEnd(NamedTuple):
    """Of a curve's best value: a t distribution."""

    mean: float
    sd: float
    freedom: int

    def chance_below(self, value: float) -> float:
        return float(student_t_cdf(np.asarray([(value - self.mean) / self.sd]), self.freedom)[0])


def expected_end(level: float, epoch: int, curves: Sequence[Sequence[float]]) -> ExpectedEnd:
    """What a curve comes to whose best is `level` by that epoch.

    Args:
        curves: validation RMSE by epoch of others, at least one, each longer than that.
    """
    levels = np.array([min(curve[:epoch]) for curve in curves])
    ends = np.array([min(curve) for curve in curves])
    guess = np.hypot(NOISE_SHARE * (levels - ends).mean(), jumpiness(curves))
    # What the guessed slope leaves over, at the trial's own level.
    over = ends - ends.mean() - SLOPE * (levels - level)
    fit = regression(
        np.stack([np.ones(len(curves)), levels - level], axis=1),
        over,
        prior_sds=(END_SD, SLOPE_SD),
        noise_sd=float(np.hypot(guess, LEAST_NOISE)),
        noise_weight=NOISE_TRIALS,
    )
    mean, sd = fit.predict(np.array([[1.0, 0.0]]))
    return ExpectedEnd(float(ends.mean() + mean[0]), float(sd[0]), fit.freedom)


def jumpiness(curves: Sequence[Sequence[float]]) -> float:
    """Standard deviation of an epoch's noise in stars, of the middle one of the curves.

    By second differences, which a smooth course hardly has; noise of variance v gives them 6 v.
    Their median, for a curve may crash and recover.
    """
    found = [
        float(np.median(np.abs(np.diff(curve, 2)))) / NORMAL_MEDIAN / 6**0.5
        for curve in curves
        if len(curve) > 2
    ]
    return float(np.median(found)) if found else 0.0


NORMAL_MEDIAN = 0.6745  # of |x|, x normal with standard deviation 1
