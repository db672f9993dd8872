"""An early stop by comparison: where other trials were at the same epoch, and how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from typing import ClassVar, NamedTuple

import numpy as np

from ...base.strict import Chance, Count, Natural, NonNegative
from .regression import regression
from .rule import Kind, Progress, Rule, Stop

# Prior of the line from (best level so far) to (best level in the end), before any trial is known.
# Tuned on recorded curves of ml-latest-small.
SLOPE, SLOPE_SD = 0.7, 0.2  # a trial that lags behind partly catches up
END_SD = 1.0  # stars
NOISE_SHARE = 0.3  # of the mean improvement that was still to come
MIN_NOISE = 0.001  # stars
DOUBT = 0.4  # share of the improvement beyond what other trials have shown
NOISE_TRIALS = 8  # weight of the guessed noise, in trials
NORMAL_MEDIAN = 0.6745  # median of |x| for x from the standard normal distribution


class Hopeless(Rule):
    """The trial is unlikely to come near the incumbent, judging by trials like it that ended.

    The best value in the end is modelled as a line in the best value at the trial's epoch, plus
    noise. The noise is guessed larger where curves jump from epoch to epoch, because a curve that
    jumps may still jump down. A few trials say little about a line, so the line has a prior, and
    the chance comes from a t distribution.
    """

    stop_reason: ClassVar[str] = "hopeless"
    kind: ClassVar[Kind] = Kind.BEHIND

    chance: Chance = 0.05
    ended: Count = 3  # minimum number of trials to learn from
    near: NonNegative = 0.0  # stars from the incumbent, or the seed noise if that is larger
    warmup_epochs: Natural = 0  # not judged; 0, because an early forecast is wide anyway

    def judge(self, progress: Progress) -> Stop | None:
        epoch = len(progress.reports)
        level, incumbent = progress.best_level, progress.incumbent_level
        if incumbent is None or level is None or epoch <= self.warmup_epochs:
            return None
        near = max(self.near, progress.seed_noise)
        goal = incumbent + near
        if level <= goal:
            return None  # already near, and its best value never gets worse
        # Trials that had ended by this epoch do not show how far they would have improved.
        longer = [curve for curve in progress.ended_levels if len(curve) > epoch]
        if len(longer) < self.ended:
            return None
        expected = expected_end(level, epoch, longer)
        chance = expected.chance_below(goal)
        if chance >= self.chance:
            return None
        n, per_star = len(longer), progress.metric.moves_per_star(progress.star)
        return self.stop(
            f"{progress.metric.label} {progress.show(level)} by epoch {epoch} should end at "
            f"{progress.show(expected.mean)} ± {progress.format(expected.sd * per_star)}, "
            f"judging by the {n} {progress.config.architecture} trial{'s' * (n > 1)} that ran "
            f"longer; the chance to come within {_distance(near, progress)} of the best trial's "
            f"{progress.show(incumbent)} is {100 * chance:.1f}% (limit {100 * self.chance:g}%)",
            brief=f"would end at {progress.show(expected.mean)}",
        )


def _distance(stars: float, progress: Progress) -> str:
    """A distance in units of the metric; in stars too, if the ratings are on another scale."""
    metric = progress.metric
    here, in_stars = stars * metric.moves_per_star(progress.star), stars * metric.moves_per_star()
    return f"{in_stars:g}" if here == in_stars else f"{here:.3g} ({stars:g} stars)"


class ExpectedEnd(NamedTuple):
    """A t distribution of the best level that a curve reaches."""

    mean: float
    scale: float
    freedom: int

    @property
    def sd(self) -> float:
        """Standard deviation."""
        return self.scale * sqrt(self.freedom / (self.freedom - 2))

    def chance_below(self, level: float) -> float:
        from scipy.special import stdtr  # slow to import, and only a running trial needs it

        return float(stdtr(self.freedom, (level - self.mean) / self.scale))


def expected_end(level: float, epoch: int, curves: Sequence[Sequence[float]]) -> ExpectedEnd:
    """The best level that a curve will have reached when it ends.

    Args:
        level: its best level up to `epoch`.
        curves: levels by epoch of other trials; at least one, each longer than `epoch`.
    """
    levels = np.array([min(curve[:epoch]) for curve in curves])
    ends = np.array([min(curve) for curve in curves])
    guess = np.linalg.norm([NOISE_SHARE * (levels - ends).mean(), jumpiness(curves), MIN_NOISE])
    # What the guessed slope leaves unexplained, relative to the trial's own level.
    residual = ends - ends.mean() - SLOPE * (levels - level)
    fit = regression(
        np.stack([np.ones(len(curves)), levels - level], axis=1),
        residual,
        prior_sds=(END_SD, SLOPE_SD),
        # The ends are centred on their own mean, which costs one trial's information on the noise.
        noise_sd=float(guess) * sqrt(NOISE_TRIALS / (NOISE_TRIALS - 1)),
        noise_weight=NOISE_TRIALS - 1,
    )
    mean, scale = fit.predict(np.array([[1.0, 0.0]]))
    end = min(level, float(ends.mean() + mean[0]))
    # A trial that has further to go than the others did goes further beyond what they show.
    unseen = DOUBT * max(0.0, (level - end) - float((levels - ends).mean()))
    return ExpectedEnd(end, float(np.hypot(scale[0], unseen)), fit.freedom)


def jumpiness(curves: Sequence[Sequence[float]]) -> float:
    """Standard deviation of one epoch's noise in stars: the median over the curves.

    Measured by second differences, whose variance is 6 times that of the noise; in a smooth curve
    of 20 epochs or more they are almost zero. In a shorter curve the bend counts as noise too,
    which makes the forecast wider. The median of the differences is used because a curve may crash
    and recover.
    """
    noises = [_noise(tuple(curve)) for curve in curves if len(curve) > 2]
    return float(np.median(noises)) if noises else 0.0


@lru_cache(maxsize=2**16)  # asked in every epoch of every trial, about the same ended curves
def _noise(curve: tuple[float, ...]) -> float:
    return float(np.median(np.abs(np.diff(curve, 2)))) / NORMAL_MEDIAN / 6**0.5
