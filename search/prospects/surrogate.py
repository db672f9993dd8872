"""A Gaussian process over the outcomes of a study's trials: what a config would reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import copy
from typing import Any, Protocol, Self

import numpy as np
from numpy.random import Generator

from ..definition.space import Space
from .encoding import Doubles, Encoding
from .feasibility import Feasibility, LimitCheck
from .outcomes import Outcome
from .processes import JITTER, fit_process, square_root

MAX_OUTCOMES = 300  # the best and the latest; a fit takes time in proportion to the cube
MIN_OUTCOMES = 2  # for a fit
MIN_OF_EACH = 20  # of each architecture, if there are too many


class ScorePrior(Protocol):
    """What earlier studies expect of configs, as scores of mean 0 and variance 1 or so."""

    def predict(self, points: Doubles) -> Doubles:
        """(n,) expected scores of (n, n_columns) points."""

    def weight(self, scores: Doubles, values: Doubles) -> float:
        """How much of it holds, 0 to 1.

        Args:
            scores: (n,) of the outcomes, by this prior.
            values: (n,) of the outcomes, of mean 0 and variance 1 or so.
        """


class Surrogate:
    """Predicts levels with their uncertainty, from outcomes that are uncertain themselves.

    Levels are modelled on a log scale above the best one, so that a few bad outcomes do not hide
    the differences between good ones. Each architecture has a mean of its own, as uncertain as its
    outcomes are few.

    Attributes:
        encoding: of the space.
        points: (n, n_columns) of the outcomes.
        noise_sd: of an outcome near the best one, in stars: what the axes do not explain.
        log_noise_sd: the same on the log scale, where it is the same everywhere.
    """

    def __init__(
        self,
        space: Space,
        outcomes: Sequence[Outcome],
        prior: ScorePrior | None = None,
        limits: Sequence[LimitCheck] = (),
    ) -> None:
        """Args:
        outcomes: at least `MIN_OUTCOMES`.
        prior: what earlier studies expect.
        limits: trials that say which configs are within the study's limits.
        """
        outcomes = _subsample(outcomes)
        self.encoding = Encoding(space)
        self._feasibility = Feasibility(self.encoding, limits)
        self.points = self.encoding.encode_params([outcome.params for outcome in outcomes])
        levels = np.array([outcome.level for outcome in outcomes])
        self._reached = np.array([each.sd == 0 and not each.is_sick for each in outcomes])
        self._counts = Counter(self._architectures(self.points))
        sds = np.array([outcome.sd for outcome in outcomes])
        self._floor = float(levels.min() - max(np.median(levels) - levels.min(), 1e-3))
        logs = np.log(levels - self._floor)
        self._means = self._architecture_means(logs)
        residuals = logs - self._mean_of(self.points)
        self._unit = float(residuals.std()) or 1.0
        self._prior, self._weight = prior, 0.0
        if prior is not None:
            scores = prior.predict(self.points)
            self._score_means = self._architecture_means(scores)
            self._weight = prior.weight(self._scores(self.points), residuals / self._unit)
        # A forecast's uncertainty, on the log scale.
        spread = sds / (levels - self._floor) / self._unit
        values = residuals / self._unit - self._expected(self.points)
        self._gp = fit_process(self.points, values, spread**2)
        self.log_noise_sd = float(self._gp.kernel_.k2.noise_level) ** 0.5 * self._unit
        self.noise_sd = self.log_noise_sd * float(levels.min() - self._floor)

    def with_expected(self, points: Doubles) -> Self:
        """The surrogate as if these points had turned out as it expects them to.

        For trials that are running: their outcomes are unknown, but will be known.

        Source: the kriging believer of Ginsbourger et al. 2010, "Kriging is well-suited to
        parallelize optimization".
        """
        from sklearn.gaussian_process import GaussianProcessRegressor

        believer = copy(self)
        expected = self._gp.predict(points)
        believer._gp = GaussianProcessRegressor(
            self._gp.kernel_,
            alpha=np.concatenate([self._gp.alpha, np.full(len(points), JITTER)]),
            optimizer=None,
        ).fit(
            np.concatenate([self._gp.X_train_, points]),
            np.concatenate([self._gp.y_train_, expected]),
        )
        return believer

    def predict(self, points: Doubles) -> tuple[Doubles, Doubles]:
        """(n,) medians and (n,) standard deviations of the levels of points, without the noise."""
        mean, sd = self.predict_log(points)
        return self._floor + np.exp(mean), np.exp(mean) * sd

    def predict_log(self, points: Doubles) -> tuple[Doubles, Doubles]:
        """The same for the log of a level above the floor, which is normally distributed."""
        mean, sd = self._gp.predict(points, return_std=True)
        variance = np.maximum(sd**2 - self._gp.kernel_.k2.noise_level, JITTER)
        variance += self._mean_sd_of(points) ** 2
        mean = self._mean_of(points) + self._unit * (mean + self._expected(points))
        return mean, self._unit * np.sqrt(variance)

    def best_reached(self, n: int) -> Doubles:
        """(up to n, n_columns) the points expected to be best, of those that trials have reached.

        All count if every trial was stopped early.
        """
        reached = self.points[self._reached] if self._reached.any() else self.points
        best: Doubles = reached[self.predict(reached)[0].argsort()[:n]]
        return best

    def log_feasible(self, points: Doubles) -> Doubles:
        """(n,) log of the chance that each point is within the study's limits."""
        return self._feasibility.log_chance(points)

    def draw(self, points: Doubles, n: int, rng: Generator) -> Doubles:
        """(n, n_points) levels of functions drawn from the posterior, without the noise."""
        levels: Doubles = self._floor + np.exp(self.draw_log(points, n, rng))
        return levels

    def draw_log(self, points: Doubles, n: int, rng: Generator) -> Doubles:
        """The same as logs of levels above the floor."""
        mean, covariance = self._gp.predict(points, return_cov=True)
        covariance[np.diag_indices_from(covariance)] -= self._gp.kernel_.k2.noise_level
        root = square_root(covariance)
        draws = mean + self._expected(points) + rng.standard_normal((n, len(points))) @ root.T
        keys = self._architectures(points)
        shifts = {key: rng.standard_normal(n) for key in sorted(set(keys))}
        draws += self._mean_sd_of(points) * np.stack([shifts[key] for key in keys], axis=1)
        logs: Doubles = self._mean_of(points) + self._unit * draws
        return logs

    def _architecture_means(self, logs: Doubles) -> dict[bytes, float]:
        return {
            key: float(logs[[row == key for row in keys]].mean())
            for keys in [self._architectures(self.points)]
            for key in set(keys)
        }

    def _expected(self, points: Doubles) -> Doubles:
        """(n,) what the prior adds to the mean of each point's architecture, in units."""
        return self._weight * self._scores(points)

    def _scores(self, points: Doubles) -> Doubles:
        """(n,) scores by the prior, around the mean of each architecture's outcomes."""
        if self._prior is None:
            return np.zeros(len(points))
        return self._prior.predict(points) - self._mean_of(points, self._score_means)

    def _mean_of(self, points: Doubles, means: dict[bytes, float] | None = None) -> Doubles:
        """(n,) the mean of each point's architecture; of all of them for one without outcomes.

        Args:
            means: by architecture. [default: those of the outcomes' logs]
        """
        means = self._means if means is None else means
        usual = float(np.mean(list(means.values())))
        return np.array([means.get(key, usual) for key in self._architectures(points)])

    def _mean_sd_of(self, points: Doubles) -> Doubles:
        """(n,) standard deviation of that mean, in units of the outcomes' around it."""
        counts = [self._counts[key] for key in self._architectures(points)]
        return np.array([(1 + count) ** -0.5 for count in counts])

    def _architectures(self, points: Doubles) -> list[bytes]:
        columns = self.encoding.columns.get("architecture", slice(0, 0))
        return [row.tobytes() for row in np.ascontiguousarray(points[:, columns])]


_latest: tuple[Space, list[Outcome], ScorePrior | None, list[LimitCheck], Surrogate] | None = None


def fit_surrogate(
    space: Space,
    outcomes: Sequence[Outcome],
    prior: ScorePrior | None = None,
    limits: Sequence[LimitCheck] = (),
) -> Surrogate:
    """The surrogate of these outcomes.

    The latest one is kept: after each trial, a worker asks about the trials left, about stopped
    ones, and for a proposal, all by the same outcomes.
    """
    global _latest
    asked = (space, list(outcomes), prior, list(limits))
    if _latest is None or _latest[:4] != asked:
        _latest = (*asked, Surrogate(space, outcomes, prior, limits))
    return _latest[4]


def _subsample(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes to learn from, if there are too many: half the best, and the latest.

    The best of each architecture are always among them.
    """
    if len(outcomes) <= MAX_OUTCOMES:
        return list(outcomes)
    ranked = sorted(outcomes, key=lambda outcome: outcome.level)
    kept = {outcome.number for outcome in ranked[: MAX_OUTCOMES // 2]}
    of_each: Counter[Any] = Counter()
    for outcome in ranked:
        architecture = outcome.params.get("architecture")
        of_each[architecture] += 1
        if of_each[architecture] <= MIN_OF_EACH:
            kept.add(outcome.number)
    for outcome in reversed(outcomes):
        if len(kept) >= MAX_OUTCOMES:
            break
        kept.add(outcome.number)
    return [outcome for outcome in outcomes if outcome.number in kept]
