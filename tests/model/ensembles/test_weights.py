"""Weights fitted on errors whose best combination can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from pytest import approx
from recsys_search.model.ensembles.gain import paired_gain
from recsys_search.model.ensembles.weights import (
    cross_fitted_errors,
    equal_weights,
    fit_weights,
    greedy_weights,
)


def mse(errors):
    return float(np.square(errors).mean())


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_equal_weights_sum_to_1():
    assert equal_weights(np.eye(4)).tolist() == [0.25] * 4


def test_noise_gets_no_weight(rng):
    """The noise adds ten times the good member's error."""
    good = rng.normal(0, 0.1, 500)
    errors = np.stack([good, good + rng.normal(0, 1, 500)], 1)
    assert fit_weights(errors, greedy_weights).tolist() == [1, 0]


def test_weights_of_independent_errors_are_inverse_to_their_variances():
    """Variances of 1 and 4, uncorrelated: the lowest MSE is at 0.8 and 0.2."""
    errors = np.array([[1, 2], [-1, 2], [1, -2], [-1, -2]], float)
    weights = fit_weights(errors, greedy_weights)
    assert weights == approx([0.8, 0.2])
    assert mse(errors @ weights) == approx(0.8**2 + 0.2**2 * 4)


def test_errors_that_cancel_are_combined():
    errors = np.array([[1.0, -1.0, 3.0], [-2.0, 2.0, 3.0]])
    assert fit_weights(errors, greedy_weights).tolist() == [0.5, 0.5, 0]


def test_a_member_can_be_selected_again_after_others(rng):
    """With replacement; without it, two members could only have equal shares."""
    errors = np.array([[1, 3], [-1, 3], [1, -3], [-1, -3]], float)
    assert fit_weights(errors, greedy_weights) == approx([0.9, 0.1])


def test_members_that_are_the_same_add_nothing(rng):
    column = rng.normal(size=100)
    assert fit_weights(np.stack([column] * 3, 1), greedy_weights).tolist() == [1, 0, 0]


def test_the_result_is_never_worse_than_the_best_member(rng):
    for _ in range(20):
        errors = rng.normal(size=(30, 6)) + rng.normal(size=(30, 1))
        best = min(mse(column) for column in errors.T)
        assert mse(errors @ fit_weights(errors, greedy_weights)) <= best * (1 + 1e-9)


# Cross-fitting.


def test_cross_fitted_errors_of_equal_weights_are_the_plain_ones(rng):
    errors = rng.normal(size=(57, 3))
    assert cross_fitted_errors(errors, equal_weights) == approx(errors.mean(1))


def test_cross_fitting_reveals_weights_that_fit_by_chance(rng):
    """Of 40 members of pure noise, those selected are better only on the ratings they were
    selected on."""
    errors = rng.normal(size=(60, 40))
    in_sample = mse(errors @ fit_weights(errors, greedy_weights))
    fresh = mse(rng.normal(size=(100_000, 40)) @ fit_weights(errors, greedy_weights))
    cross_fitted = mse(cross_fitted_errors(errors, greedy_weights))
    assert in_sample < 0.6 * fresh
    assert cross_fitted > 1.5 * in_sample


def test_no_rating_is_predicted_with_weights_that_were_fitted_on_it():
    """Each error identifies its rating, so the weights show which ratings the fit has seen."""
    seen = []
    errors = np.diag(np.arange(1.0, 26.0))

    def fit(gram):
        seen.append(gram.diagonal() > 0)
        return equal_weights(gram)

    cross_fitted_errors(errors, fit)
    assert len(seen) == 10
    assert np.sum(seen, 0).tolist() == [9] * 25


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_ratings_can_be_cross_fitted(n):
    errors = np.ones((n, 2))
    assert cross_fitted_errors(errors, greedy_weights).tolist() == [1] * n


# The gain.


def test_a_gain_is_the_difference_of_the_rmses(rng):
    errors, others = rng.normal(0, 1, 200), rng.normal(0, 1.5, 200)
    gain = paired_gain(errors, others)
    assert gain.rmse == approx(np.sqrt(mse(others)) - np.sqrt(mse(errors)))
    differences = others**2 - errors**2
    half = 1.959964 * differences.std(ddof=1) / np.sqrt(200)
    total = np.sqrt(mse(others)) + np.sqrt(mse(errors))
    assert (gain.high - gain.low) / 2 == approx(half / total, rel=1e-5)
    assert gain.low < gain.rmse < gain.high


def test_a_gain_over_itself_is_exactly_0(rng):
    errors = rng.normal(size=50)
    gain = paired_gain(errors, errors)
    assert (gain.rmse, gain.low, gain.high) == (0, 0, 0)


def test_errors_that_two_predictions_share_do_not_widen_the_interval(rng):
    """Unlike the standard errors of both RMSEs."""
    shared = rng.normal(0, 1, 400)
    gain = paired_gain(shared, 1.01 * shared)
    assert 0 < gain.low < 0.01 < gain.high < 0.02


def test_a_single_rating_has_no_finite_interval():
    assert paired_gain(np.array([1.0]), np.array([2.0])).high == np.inf
