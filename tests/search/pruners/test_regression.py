"""Bayesian regression on a few points."""

from __future__ import annotations

from math import sqrt

import numpy as np
from pytest import approx
from recsys_search.search.pruners.regression import regression


def constant(y, *, noise_sd=1.0, noise_weight=1):
    """A constant fitted to y, with a flat prior."""
    x = np.ones((len(y), 1))
    y = np.array(y, np.float64)
    return regression(x, y, prior_sds=[1e6], noise_sd=noise_sd, noise_weight=noise_weight)


def test_a_constant_is_the_mean_with_part_of_the_guessed_noise():
    """1, 2, 6: mean 3, squares 4 + 1 + 9; with a guess of 2 worth two points (2 * 4 + 14) / 5."""
    fit = constant([1, 2, 6], noise_sd=2.0, noise_weight=2)
    mean, sd = fit.predict(np.array([[1.0]]))
    assert mean[0] == approx(3)
    assert fit.freedom == 5
    assert fit.noise_variance == approx(22 / 5)
    assert sd[0] == approx(sqrt(22 / 5 * (1 + 1 / 3)))


def test_without_points_the_posterior_is_the_prior():
    """Prior variance 3**2 at x = 2, and the noise of 0.5 on top."""
    none = regression(np.empty((0, 1)), np.empty(0), prior_sds=[3.0], noise_sd=0.5, noise_weight=4)
    mean, sd = none.predict(np.array([[2.0]]))
    assert (mean[0], none.freedom) == (0.0, 4)
    assert sd[0] == approx(sqrt(0.5**2 + (2 * 3.0) ** 2))


def test_a_line_through_its_points_is_found():
    x = np.stack([np.ones(5), np.arange(5.0)], axis=1)
    fit = regression(
        x, 2.0 - 0.5 * np.arange(5.0), prior_sds=[100, 100], noise_sd=0.01, noise_weight=1
    )
    assert fit.coefficients == approx([2.0, -0.5], abs=1e-6)
    near, far = fit.predict(np.array([[1.0, 2.0], [1.0, 20.0]]))[1]
    assert far > near


def test_a_better_fit_has_the_greater_evidence():
    y = np.arange(6.0)
    sloped, level = (
        regression(
            np.stack([np.ones(6), shape], 1), y, prior_sds=[10, 10], noise_sd=0.1, noise_weight=1
        )
        for shape in (y, np.zeros(6))
    )
    assert sloped.log_evidence > level.log_evidence


def test_a_wider_prior_has_the_lesser_evidence():
    """Ten times as wide a prior as the points need costs a factor of ten."""
    fits = [
        regression(np.ones((50, 1)), np.zeros(50), prior_sds=[sd], noise_sd=0.1, noise_weight=1)
        for sd in (10.0, 100.0)
    ]
    assert fits[0].log_evidence - fits[1].log_evidence == approx(np.log(10), rel=1e-3)
