"""What the trials that are left would bring: by how much they would lower the best level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from .encoding import Doubles
from .proposals import candidates, likely_feasible
from .surrogate import Surrogate

N_DRAWS = 400
N_FIRST = 600  # candidates to begin with; drawing takes time in proportion to the cube
N_PATHS = 60  # functions that lead to the points that a search may reach
SPREADS = (0.15, 0.08)
POOL = 300  # proposals, at most, of all trials that are left
PER_TRIAL = 4  # proposals that a trial left stands for: a search chooses the better ones
# Drawn functions underestimate what searches go on to find, because hyperparameters are point
# estimates. With this factor, 3% of the simulated studies that ended at a chance of 5% were early
# (docs/search.md).
CAUTION = 2.5
N_BEST = 20  # outcomes among which the best may be


class Gain(NamedTuple):
    """By how much the best level would fall, in stars.

    Attributes:
        mean, sd: of the gain.
        high: exceeded in one of twenty drawn functions.
        chance: that it is more than what was asked for.
    """

    mean: float
    sd: float
    high: float
    chance: float


def expected_gain(
    surrogate: Surrogate,
    architectures: Sequence[str | None],
    n_left: int,
    wanted: float,
    rng: Generator,
) -> Gain:
    """The gain of the trials left, and the chance that it is more than `wanted`.

    Functions are drawn from the surrogate's posterior; each says which of the outcomes is truly
    best, and what the most promising proposals would reach.
    """
    if n_left == 0:
        return Gain(0.0, 0.0, 0.0, 0.0)
    reached = surrogate.best_reached(N_BEST)
    pool = _reachable(surrogate, architectures, n_left, rng)
    draws = surrogate.draw(np.concatenate([reached, pool]), N_DRAWS, rng)
    best = draws[:, : len(reached)].min(axis=1)
    gains = CAUTION * np.maximum(best - draws[:, len(reached) :].min(axis=1), 0.0)
    return Gain(
        float(gains.mean()),
        float(gains.std()),
        float(np.quantile(gains, 0.95)),
        float((gains > wanted).mean()),
    )


def _reachable(
    surrogate: Surrogate, architectures: Sequence[str | None], n_left: int, rng: Generator
) -> Doubles:
    """Points that the trials left may reach, moving on from where drawn functions are lowest."""
    points = likely_feasible(surrogate, candidates(surrogate, architectures, rng))
    points = rng.permutation(points)[:N_FIRST]
    for spread in SPREADS:
        draws = surrogate.draw(points, N_PATHS, rng)
        lowest = np.unique(draws.argsort(axis=1)[:, :2])
        moved = surrogate.encoding.near(np.repeat(points[lowest], 3, axis=0), spread, rng)
        points = np.concatenate([points[lowest], likely_feasible(surrogate, moved)])
    promising = surrogate.draw(points, N_PATHS, rng).min(axis=0).argsort()
    chosen: Doubles = points[promising[: min(POOL, PER_TRIAL * n_left)]]
    return chosen
