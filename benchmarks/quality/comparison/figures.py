"""How much better one row of a comparison is than another, and how sure that is.

A row is one model with fixed settings; its runs are trainings with a seed on a split. Differences
are positive if the first of two rows is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recsys_search.model.ensembles.gain import Gain, paired_gain
from recsys_search.search.results.confirmation.intervals import Interval, paired_interval

Array = NDArray[np.float64]
Runs = Sequence[Mapping[str, Any]]

MIN_PAIRS = 3  # two say next to nothing about chance: Student's t is then 12.7
HIGHER_IS_BETTER = ("ndcg", "precision", "recall")


def mean_by_split(runs: Runs, figure: str) -> dict[int, float]:
    """split seed -> the figure's mean over the seeds; empty if the runs do not have it."""
    values: dict[int, list[float]] = {}
    for run in runs:
        if run.get(figure) is not None:
            values.setdefault(run["split_seed"], []).append(run[figure])
    return {split: fmean(each) for split, each in sorted(values.items())}


def pairs(runs: Runs, others: Runs, figure: str) -> list[tuple[float, float]]:
    """The figure of both rows for each split and seed that they share.

    A row without seeds has one run per split, which is paired with each seed of the other.
    """
    ours, theirs = _by_split_and_seed(runs, figure), _by_split_and_seed(others, figure)
    found = []
    for split in sorted(ours.keys() & theirs.keys()):
        one, other = ours[split], theirs[split]
        seeds = one.keys() | other.keys()
        for seed in sorted(seeds - {None}) or [None]:
            value, other_value = one.get(seed, one.get(None)), other.get(seed, other.get(None))
            if value is not None and other_value is not None:
                found.append((value, other_value))
    return found


def better_over_runs(runs: Runs, others: Runs, figure: str, overlap: float) -> Interval | None:
    """Mean difference over the shared splits and seeds; None with fewer than three pairs.

    Args:
        overlap: of the splits, as `mean_interval` takes it.
    """
    found = pairs(runs, others, figure)
    if len(found) < MIN_PAIRS:
        return None
    ours, theirs = zip(*found, strict=True)
    if figure in HIGHER_IS_BETTER:
        return paired_interval(ours, theirs, overlap)
    return paired_interval(theirs, ours, overlap)


def better_over_rows(errors: Sequence[Array], others: Sequence[Array]) -> Gain:
    """How far the RMSE is below the other's on one split's ratings, with equal weight per seed.

    Args:
        errors, others: (n,) per seed, prediction - rating of the same ratings.
    """
    return paired_gain(_root_mean_square(errors), _root_mean_square(others))


def better_over_users(values: Sequence[Array], others: Sequence[Array]) -> Interval:
    """How far a ranking figure is above the other's over one split's users.

    Args:
        values, others: (users,) per seed, of the same users.
    """
    return paired_interval(np.mean(values, axis=0).tolist(), np.mean(others, axis=0).tolist())


def is_tie(low: float, high: float) -> bool:
    """Whether the difference may be chance."""
    return low <= 0 <= high


def rmse(errors: Array) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _root_mean_square(errors: Iterable[Array]) -> Array:
    """(n,) the root of each rating's mean squared error over the seeds."""
    return np.sqrt(np.mean([each**2 for each in errors], axis=0))


def _by_split_and_seed(runs: Runs, figure: str) -> dict[int, dict[int | None, float]]:
    values: dict[int, dict[int | None, float]] = {}
    for run in runs:
        if run.get(figure) is not None:
            values.setdefault(run["split_seed"], {})[run["seed"]] = run[figure]
    return values
