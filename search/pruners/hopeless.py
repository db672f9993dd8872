"""An early stop beside others: where they stood at the same epoch, and how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from ...base.strict import Chance, Count, Natural, Number, Strict
from .progress import Progress, Stop
from .regression import regression, student_t_cdf

# What is thought of a line through (best so far, best in the end) before a trial is seen. Tuned on
# recorded curves of ml-latest-small.
SLOPE, SLOPE_SD = 0.7, 0.2  # who lags behind makes up for a part of it
END_SD = 1.0  # stars
NOISE_SHARE = 0.3  # of the mean fall that was still to come
LEAST_NOISE = 0.001  # stars
NOISE_TRIALS = 8  # that the guess of the noise is worth
NORMAL_MEDIAN = 0.6745  # of |x|, x normal with standard deviation 1


class Hopeless(Strict):
    """It will hardly come near the incumbent, as trials of its kind have it that came to an end.

    The best value in the end is taken as a line in the best value at the trial's epoch, plus noise.
    The noise is guessed larger where curves jump from epoch to epoch: one that jumps may yet jump
    down. Few trials say little of a line, so a guess has its part, and the chance is that of a t
    distribution.
    """

    chance: Chance = 0.05
    ended: Count = 3  # trials, at least, to learn from
    near: Annotated[Number, Field(ge=0)] = 0.005  # stars above the incumbent, or noise if more
    warmup_epochs: Natural = 0  # that are not judged; how much is open then, the chance knows

    def judge(self, seen: Progress) -> Stop | None:
        epoch, best = len(seen.reports), seen.best
        if seen.incumbent is None or best is None or epoch <= self.warmup_epochs:
            return None
        near = max(self.near, seen.seed_noise)
        goal = seen.incumbent + near
        if best.val_rmse <= goal:
            return None  # it is near already, and its best value never rises
        # Those that had ended by now do not tell how much further they would have fallen.
        longer = [curve for curve in seen.ended if len(curve) > epoch]
        if len(longer) < self.ended:
            return None
        expected = expected_end(best.val_rmse, epoch, longer)
        chance = expected.chance_below(goal)
        if chance >= self.chance:
            return None
        n = len(longer)
        return Stop(
            "hopeless",
            f"validation RMSE {best.val_rmse:.4f} by epoch {epoch} should end at "
            f"{expected.mean:.4f} ± {expected.sd:.4f}, by the {n} "
            f"{seen.config.architecture} trial{'s' * (n > 1)} that ran longer; the chance to come "
            f"within {near:g} of the best trial's {seen.incumbent:.4f} is "
            f"{100 * chance:.1f}% (limit {100 * self.chance:g}%)",
        )


class ExpectedEnd(NamedTuple):
    """Of a curve's best value: a t distribution."""

    mean: float
    scale: float
    freedom: int

    @property
    def sd(self) -> float:
        """Standard deviation."""
        return self.scale * sqrt(self.freedom / (self.freedom - 2))

    def chance_below(self, value: float) -> float:
        t = np.asarray([(value - self.mean) / self.scale])
        return float(student_t_cdf(t, self.freedom)[0])


def expected_end(level: float, epoch: int, curves: Sequence[Sequence[float]]) -> ExpectedEnd:
    """What a curve comes to whose best is `level` by that epoch.

    Args:
        curves: validation RMSE by epoch of others, at least one, each longer than that.
    """
    levels = np.array([min(curve[:epoch]) for curve in curves])
    ends = np.array([min(curve) for curve in curves])
    guess = np.linalg.norm([NOISE_SHARE * (levels - ends).mean(), jumpiness(curves), LEAST_NOISE])
    # What the guessed slope leaves over, at the trial's own level.
    over = ends - ends.mean() - SLOPE * (levels - level)
    fit = regression(
        np.stack([np.ones(len(curves)), levels - level], axis=1),
        over,
        prior_sds=(END_SD, SLOPE_SD),
        # The ends are around their own mean, which takes away one trial's say about the noise.
        noise_sd=float(guess) * sqrt(NOISE_TRIALS / (NOISE_TRIALS - 1)),
        noise_weight=NOISE_TRIALS - 1,
    )
    mean, scale = fit.predict(np.array([[1.0, 0.0]]))
    return ExpectedEnd(min(level, float(ends.mean() + mean[0])), float(scale[0]), fit.freedom)


def jumpiness(curves: Sequence[Sequence[float]]) -> float:
    """Standard deviation of an epoch's noise in stars, of the middle one of the curves.

    By second differences: noise of variance v gives them 6 v, a smooth course of 20 epochs or more
    hardly any. In a shorter one its bend passes for noise, and more is left open. Their median, for
    a curve may crash and recover.
    """
    found = [
        float(np.median(np.abs(np.diff(curve, 2)))) / NORMAL_MEDIAN / 6**0.5
        for curve in curves
        if len(curve) > 2
    ]
    return float(np.median(found)) if found else 0.0
