"""Student's t against printed quantiles, and intervals worked out by hand."""

from __future__ import annotations

from math import gamma, pi, sqrt
from statistics import StatisticsError

import numpy as np
import pytest
from pytest import approx
from recsys_search.search.results.intervals import mean_interval, paired_interval, t_975


@pytest.mark.parametrize(
    ("freedom", "printed"),
    [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (30, 2.042), (40, 2.021), (60, 2.000)],
)
def test_quantiles_are_those_of_printed_tables(freedom, printed):
    assert t_975(freedom) == approx(printed, abs=6e-4)


@pytest.mark.parametrize("freedom", [*range(1, 41), 120])
def test_between_the_quantiles_lie_95_of_100_values(freedom):
    t = np.linspace(0, t_975(freedom), 20_001)
    scale = gamma((freedom + 1) / 2) / (sqrt(freedom * pi) * gamma(freedom / 2))
    density = scale * (1 + t**2 / freedom) ** (-(freedom + 1) / 2)
    assert 2 * np.trapezoid(density, t) == approx(0.95, abs=2e-5)


def test_an_interval_of_three_values():
    """Mean 2, standard deviation 1: the half width is 4.3027 / sqrt(3)."""
    mean, low, high = mean_interval([1.0, 2.0, 3.0])
    assert mean == 2
    assert (low, high) == (approx(2 - 2.484165), approx(2 + 2.484165))


def test_equal_values_have_an_interval_without_width():
    assert mean_interval([0.5, 0.5]) == (0.5, 0.5, 0.5)


def test_pairs_that_differ_by_the_same_have_an_interval_without_width():
    """However far the pairs lie apart."""
    assert paired_interval([2.0, 5.0, 9.0], [1.0, 4.0, 8.0]) == (1, 1, 1)


def test_a_paired_interval_is_that_of_the_differences():
    """1 and 3: mean 2, standard deviation sqrt(2), half width 12.7062."""
    assert paired_interval([2.0, 5.0], [1.0, 2.0]) == approx((2, 2 - 12.7062, 2 + 12.7062))


def test_one_value_has_no_interval():
    with pytest.raises(StatisticsError):
        mean_interval([1.0])


def test_cuts_of_the_same_rows_have_a_wider_interval():
    """Eight rows to train on for each to validate: 1/2 + 1/8 in the place of 1/2."""
    plain, wider = mean_interval([1.0, 3.0]), mean_interval([1.0, 3.0], overlap=1 / 8)
    assert wider.mean == plain.mean
    assert wider.high - wider.mean == approx((plain.high - plain.mean) * (1.25**0.5))
