"""How much each axis matters, by the surrogate: over the whole space, and near the best configs.

The measure is the total-effect index of Sobol: the share of the variance that remains if all other
axes are known, on the log scale of the surrogate, where a region that few trials have seen cannot
outweigh all others. The shares of axes that act together overlap, so they may add up to more
than 1. Each function drawn from the posterior has its own shares, which gives the intervals.

Source: Jansen's estimator, in Saltelli et al. 2010, "Variance based sensitivity analysis of model
output".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from .encoding import Doubles
from .surrogate import Surrogate

N_POINTS, N_DRAWS = 200, 100
N_BEST, SPREAD = 5, 0.15  # near the best: how many, and how far around them


class Share(NamedTuple):
    """A share of the variance: its mean over the drawn functions, and the central 95% of them."""

    mean: float
    low: float
    high: float


def axis_shares(
    surrogate: Surrogate, architecture: str | None, rng: Generator, *, near_best: bool = False
) -> dict[str, Share]:
    """Axis -> its share, for the axes of one architecture, the largest first.

    Args:
        near_best: among configs near the best ones, rather than anywhere in the space.
    """
    encoding = surrogate.encoding
    points, other = encoding.draw(2 * N_POINTS, architecture, rng).reshape(2, N_POINTS, -1)
    if near_best:
        points, other = (_around_best(surrogate, points, rng) for _ in range(2))
    axes = [name for name, block in encoding.columns.items() if _varies(points, other, block)]
    changed = [_with_columns_of(points, other, encoding.columns[name]) for name in axes]
    draws = surrogate.draw_log(np.concatenate([points, *changed]), N_DRAWS, rng)
    levels = draws.reshape(N_DRAWS, len(axes) + 1, N_POINTS)
    variance = levels.reshape(N_DRAWS, -1).var(axis=1)  # all of them have the same distribution
    effects = 0.5 * ((levels[:, 1:] - levels[:, :1]) ** 2).mean(axis=2)
    # Estimates can exceed 1 by sampling error.
    shares = np.minimum(effects / np.maximum(variance, 1e-12)[:, None], 1.0)
    found = {
        name: Share(
            float(column.mean()), *(float(each) for each in np.quantile(column, (0.025, 0.975)))
        )
        for name, column in zip(axes, shares.T, strict=True)
    }
    return dict(sorted(found.items(), key=lambda item: -item[1].mean))


def _around_best(surrogate: Surrogate, points: Doubles, rng: Generator) -> Doubles:
    """(N_POINTS, n_columns) points near the best outcomes of the architecture of these points."""
    columns = surrogate.encoding.columns.get("architecture", slice(0, 0))
    same = (surrogate.points[:, columns] == points[0, columns]).all(axis=1)
    of_its_kind = surrogate.points[same]
    best = of_its_kind[surrogate.predict(of_its_kind)[0].argsort()[:N_BEST]]
    near = surrogate.encoding.near(best[rng.integers(len(best), size=N_POINTS)], SPREAD, rng)
    # Each column on its own, because the estimator needs independent axes.
    for block in surrogate.encoding.columns.values():
        near[:, block] = near[rng.permutation(N_POINTS), block]
    return near


def _varies(points: Doubles, other: Doubles, block: slice) -> bool:
    return bool((points[:, block] != other[:, block]).any())


def _with_columns_of(points: Doubles, other: Doubles, block: slice) -> Doubles:
    changed = points.copy()
    changed[:, block] = other[:, block]
    return changed
