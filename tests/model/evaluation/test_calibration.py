"""Calibration of predicted distributions."""

from __future__ import annotations

from math import log, sqrt

import pytest
import torch
from pytest import approx
from recsys_search.model.components.likelihoods.probabilities import (
    Probabilities,
    gaussian_probabilities,
)
from recsys_search.model.evaluation.calibration import Calibration, calibration, coverage


def probabilities_of(*cells):
    """(below, mass) of each rating."""
    below, mass = torch.tensor(cells, dtype=torch.float64).T
    return Probabilities(below, mass.log())


def test_the_nll_is_the_mean_of_minus_the_log_probabilities():
    figures = calibration(probabilities_of((0.0, 0.5), (0.25, 0.125)))
    assert figures.nll == approx((log(2) + log(8)) / 2)
    # Half of the difference of two values is their standard deviation / √2.
    assert figures.nll_se == approx((log(8) - log(2)) / sqrt(2) / sqrt(2))


def test_without_a_distribution_there_are_no_figures():
    assert calibration(None) == Calibration()
    assert calibration(None).nll is calibration(None).coverage_95 is None


@pytest.mark.parametrize(
    ("below", "mass", "within"),
    [
        (0.3, 0.2, 1.0),  # 0.3 to 0.5 of the interval 0.25 to 0.75
        (0.0, 0.5, 0.5),  # 0.25 to 0.5 of 0 to 0.5
        (0.2, 0.6, 0.5 / 0.6),  # the interval is within the level
        (0.0, 0.2, 0.0),
        (0.8, 0.2, 0.0),
    ],
)
def test_a_level_counts_with_the_share_that_is_within_the_interval(below, mass, within):
    assert coverage(probabilities_of((below, mass)), 0.5) == approx(within)


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_the_true_distribution_has_the_nominal_coverage(share):
    """Over levels with their own probabilities as frequencies."""
    mass = torch.tensor([0.1, 0.05, 0.4, 0.15, 0.3], dtype=torch.float64)
    below = mass.cumsum(0) - mass
    cells = list(zip(below.tolist(), mass.tolist(), strict=True))
    assert sum(each * coverage(probabilities_of((b, each)), share) for b, each in cells) == approx(
        share
    )


def test_a_distribution_that_is_too_narrow_covers_too_little():
    torch.manual_seed(0)
    levels = torch.arange(-8.0, 9.0) / 2
    rating = (2 * torch.randn(20_000)).round().clamp(-16, 16) / 2
    mean = torch.zeros_like(rating)
    right = gaussian_probabilities(mean, torch.ones_like(rating), rating, levels)
    narrow = gaussian_probabilities(mean, torch.full_like(rating, 0.5), rating, levels)
    assert coverage(right, 0.8) == approx(0.8, abs=0.01)
    # The interval of half the width ends at ±0.64: Φ(0.64) - Φ(-0.64), up to the levels.
    assert coverage(narrow, 0.8) == approx(0.48, abs=0.03)
    assert calibration(narrow).nll > calibration(right).nll
