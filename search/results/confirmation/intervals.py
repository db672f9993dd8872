"""95% intervals of a few values, by Student's t."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev
from typing import NamedTuple

MIN_FREEDOM = 4  # of a standard deviation that is worth using


class Interval(NamedTuple):
    """A mean, and an interval that contains the true mean in 95 of 100 such samples."""

    mean: float
    low: float
    high: float


def mean_interval(values: Sequence[float], overlap: float = 0.0) -> Interval:
    """The interval of at least two values.

    Args:
        overlap: validation rows over train rows, if the values come from cuts of the same rows.
            Such values are not independent, and their mean is less certain than it looks: its
            variance is (1/n + overlap) times theirs. 0 for independent values.

    Source: Nadeau & Bengio 2003, "Inference for the generalization error", section 3.
    """
    n, mean = len(values), fmean(values)
    half_width = _t(n - 1) * stdev(values) * sqrt(1 / n + overlap)
    return Interval(mean, mean - half_width, mean + half_width)


def paired_interval(
    values: Sequence[float], others: Sequence[float], overlap: float = 0.0
) -> Interval:
    """The interval of the differences `values - others`, which were measured in pairs."""
    differences = [one - other for one, other in zip(values, others, strict=True)]
    return mean_interval(differences, overlap)


def least_difference(rows: Sequence[Sequence[float]]) -> float | None:
    """How far two trials' values may differ because of another seed alone, in 95 of 100 cases.

    Trials and seeds both shift values; what is left after both is the seed's effect on one trial.

    Args:
        rows: the values of each trial, with the same seeds.

    Returns:
        None with fewer than two trials, or too few values to say.
    """
    n_trials, n_seeds = len(rows), min(map(len, rows), default=0)
    freedom = (n_trials - 1) * (n_seeds - 1)
    if freedom < MIN_FREEDOM:
        return None
    means = [fmean(row) for row in rows]
    seed_means = [fmean(column) for column in zip(*rows, strict=True)]
    overall = fmean(means)
    squares = sum(
        (value - mean - seed_mean + overall) ** 2
        for row, mean in zip(rows, means, strict=True)
        for value, seed_mean in zip(row, seed_means, strict=True)
    )
    return _t(freedom) * sqrt(2 * squares / freedom)


def _t(freedom: int) -> float:
    """The t quantile of a two-sided 95% interval."""
    from scipy.special import stdtrit  # slow to import, and only confirmed trials need it

    return float(stdtrit(freedom, 0.975))
