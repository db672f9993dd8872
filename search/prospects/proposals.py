"""What a search may try next: points, and how much the surrogate expects of each.

Source: expected improvement on noisy outcomes after Huang et al. 2006, "Global optimization of
stochastic black-box systems via sequential kriging meta-models"; Thompson sampling after Russo et
al. 2018, "A tutorial on Thompson sampling".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from scipy.stats import norm

from .encoding import Doubles
from .surrogate import Surrogate

N_RANDOM, N_NEAR, N_BEST = 600, 600, 8
SPREADS = (0.02, 0.1, 0.25)
REFINED, FINER = 10, (0.05, 0.02)  # points of the first round that are moved, and how far


def candidates(
    surrogate: Surrogate, architectures: Sequence[str | None], rng: Generator
) -> Doubles:
    """Points that a search may try next: anywhere, and near the best ones."""
    encoding = surrogate.encoding
    drawn = [encoding.draw(N_RANDOM // len(architectures), name, rng) for name in architectures]
    expected, _ = surrogate.predict(surrogate.points)
    best = surrogate.points[expected.argsort()[:N_BEST]]
    each = N_NEAR // len(SPREADS) // len(best)
    near = [encoding.near(np.repeat(best, each, axis=0), spread, rng) for spread in SPREADS]
    return np.concatenate([*drawn, *near])


def most_promising(
    surrogate: Surrogate, architectures: Sequence[str | None], rng: Generator
) -> Doubles:
    """(n_columns,) the point with the highest expected improvement, of many.

    The improvement is weighed by the chance that the point is within the study's limits.
    """

    def promise_of(points: Doubles) -> Doubles:
        return log_expected_improvement(surrogate, points) + surrogate.log_feasible(points)

    points = candidates(surrogate, architectures, rng)
    promise = promise_of(points)
    for spread in FINER:
        best = points[promise.argsort()[-REFINED:]]
        moved = surrogate.encoding.near(np.repeat(best, REFINED, axis=0), spread, rng)
        points = np.concatenate([points, moved])
        promise = np.concatenate([promise, promise_of(moved)])
    chosen: Doubles = points[promise.argmax()]
    return chosen


def thompson_sample(
    surrogate: Surrogate, architectures: Sequence[str | None], rng: Generator
) -> Doubles:
    """(n_columns,) the lowest of many points on one function drawn from the posterior.

    Of the points that are likely to be within the study's limits, if there are any.
    """
    points = likely_feasible(surrogate, candidates(surrogate, architectures, rng))
    chosen: Doubles = points[surrogate.draw(points, 1, rng)[0].argmin()]
    return chosen


def likely_feasible(surrogate: Surrogate, points: Doubles) -> Doubles:
    """The points that are more likely than not to be within the study's limits; all if none is."""
    likely = surrogate.log_feasible(points) > np.log(0.5)
    chosen: Doubles = points[likely] if likely.any() else points
    return chosen


def log_expected_improvement(surrogate: Surrogate, points: Doubles) -> Doubles:
    """(n,) log of how far each point is expected to be below the best outcome, in stars.

    On the log scale, where outcomes are normally distributed: in stars, a point that is expected to
    be far above the best has a spread to match, and would seem promising. Less where the surrogate
    is sure already: another outcome there would only show its noise.
    """
    mean, sd = surrogate.predict_log(points)
    best = surrogate.predict_log(surrogate.points)[0].min()
    z = (best - mean) / sd
    log_density = norm.logpdf(z)
    # In logs: far above the best, the improvement itself is lost in rounding.
    inner = np.maximum(1 + z * np.exp(norm.logcdf(z) - log_density), 1e-12)
    noise = surrogate.log_noise_sd
    known = np.log1p(-noise / np.hypot(noise, sd))
    # A small step on the log scale is worth that share of the distance to the floor.
    return best + np.log(sd) + log_density + np.log(inner) + known
