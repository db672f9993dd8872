"""95% intervals of a few values, by Student's t."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist, fmean, stdev
from typing import NamedTuple

# The 0.975 quantile of t with 1, 2, ... 30 degrees of freedom, as textbooks print it.
_T_975 = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    *(2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860),
    *(2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423),
)


class Interval(NamedTuple):
    """A mean, and the interval that holds the true one in 95 of 100 such samples."""

    mean: float
    low: float
    high: float


def t_975(freedom: int) -> float:
    """The 0.975 quantile of Student's t: from a table, and within 0.0001 beyond it.

    Source: Abramowitz & Stegun 1964, 26.7.5, the expansion about the normal quantile.
    """
    if freedom <= len(_T_975):
        return _T_975[freedom - 1]
    z = NormalDist().inv_cdf(0.975)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def mean_interval(values: Sequence[float], overlap: float = 0.0) -> Interval:
    """Of at least two values.

    Args:
        overlap: validation rows over train rows, where the values come from cuts of the same rows.
            Such values are not independent, and their mean is less sure than it looks: its variance
            is (1/n + overlap) times theirs. 0 for independent values.

    Source: Nadeau & Bengio 2003, "Inference for the generalization error", section 3.
    """
    mean = fmean(values)
    half = t_975(len(values) - 1) * stdev(values) * sqrt(1 / len(values) + overlap)
    return Interval(mean, mean - half, mean + half)


def paired_interval(
    values: Sequence[float], others: Sequence[float], overlap: float = 0.0
) -> Interval:
    """Of the differences `values - others`, which were measured in pairs."""
    differences = [one - other for one, other in zip(values, others, strict=True)]
    return mean_interval(differences, overlap)
