"""95% intervals of a few values, by Student's t."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev
from typing import NamedTuple

from scipy.special import stdtrit


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
    half_width = float(stdtrit(n - 1, 0.975)) * stdev(values) * sqrt(1 / n + overlap)
    return Interval(mean, mean - half_width, mean + half_width)


def paired_interval(
    values: Sequence[float], others: Sequence[float], overlap: float = 0.0
) -> Interval:
    """The interval of the differences `values - others`, which were measured in pairs."""
    differences = [one - other for one, other in zip(values, others, strict=True)]
    return mean_interval(differences, overlap)
