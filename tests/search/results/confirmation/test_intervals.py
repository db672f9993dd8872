"""Intervals worked out by hand, with quantiles from printed tables of Student's t."""

from __future__ import annotations

from statistics import StatisticsError

import pytest
from pytest import approx
from recsys_search.search.results.confirmation.intervals import (
    least_difference,
    mean_interval,
    paired_interval,
)


def test_an_interval_of_three_values():
    """Mean 2, standard deviation 1: the half width is 4.302653 / sqrt(3)."""
    mean, low, high = mean_interval([1.0, 2.0, 3.0])
    assert mean == 2
    assert (low, high) == (approx(2 - 2.484138), approx(2 + 2.484138))


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


def test_what_a_seed_may_change_is_what_trials_and_seeds_leave():
    """Worked out by hand, with the 97.5% quantile of Student's t for 4 degrees of freedom.

    Row means 2, 3 and 2.5, column means 1.5, 3 and 3, overall 2.5: residuals 0, -0.5, 0.5, then
    0, 0.5, -0.5, then 0, 0, 0. Their squares add up to 1.
    """
    rows = [[1.0, 2.0, 3.0], [2.0, 4.0, 3.0], [1.5, 3.0, 3.0]]
    assert least_difference(rows) == approx(2.776445 * (2 * 1.0 / 4) ** 0.5)


def test_shifts_of_trials_and_seeds_are_no_noise():
    rows = [[0.1 * trial + seed for seed in (0.0, 0.5, 0.2)] for trial in range(3)]
    assert least_difference(rows) == approx(0, abs=1e-9)


@pytest.mark.parametrize("rows", [[], [[1.0, 2.0]], [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]])
def test_too_few_values_say_nothing_about_noise(rows):
    assert least_difference(rows) is None
