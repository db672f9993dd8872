"""Errors of predictions, by hand and against plain sums."""

from __future__ import annotations

from math import isnan, sqrt

import numpy as np
import pytest
import torch
from pytest import approx
from recsys_search.model.evaluation.prediction_errors import (
    NoiseFloorGap,
    compare_to_noise_floor,
    prediction_errors,
)


def errors_of(predicted, rating):
    return prediction_errors(torch.tensor(predicted), torch.tensor(rating))


def test_three_errors_by_hand():
    """Errors 1, 0 and -2: squares 1, 0, 4 of variance 13/3; sizes 1, 0, 2 of variance 1."""
    told = errors_of([4.0, 3.0, 1.0], [3.0, 3.0, 3.0])
    assert (told.mse, told.mae) == (approx(5 / 3), approx(1))
    assert told.rmse == approx(sqrt(5 / 3))
    assert told.mse_se == approx(sqrt(13 / 3 / 3))
    assert told.rmse_se == approx(sqrt(13 / 3 / 3) / (2 * sqrt(5 / 3)))
    assert told.mae_se == approx(sqrt(1 / 3))


def test_perfect_predictions_have_no_error_for_certain():
    told = errors_of([4.0, 3.5], [4.0, 3.5])
    assert {told.rmse, told.rmse_se, told.mse, told.mse_se, told.mae, told.mae_se} == {0.0}


@pytest.mark.filterwarnings("error")
def test_one_rating_has_no_standard_error():
    told = errors_of([4.0], [2.0])
    assert (told.rmse, told.mse, told.mae) == (2, 4, 2)
    assert isnan(told.rmse_se)
    assert isnan(told.mse_se)
    assert isnan(told.mae_se)


def test_the_standard_errors_are_the_spread_of_repeated_samples():
    rng = np.random.default_rng(0)
    error = rng.laplace(0, 0.6, (4_000, 500)).astype(np.float32)
    zero = torch.zeros(500)
    told = [prediction_errors(torch.from_numpy(row), zero) for row in error]
    for name in ("rmse", "mse", "mae"):
        spread = np.std([getattr(one, name) for one in told])
        claimed = np.mean([getattr(one, f"{name}_se") for one in told])
        assert claimed == approx(spread, rel=0.05)


def test_millions_of_small_errors_are_summed_in_double_precision():
    """A running sum in single precision stops growing at 2^24 times a term."""
    n = 20_000_000
    predicted = torch.full((n,), 3.1)
    told = prediction_errors(predicted, torch.tensor(3.0).expand(n))
    error = float(torch.tensor(3.1).double()) - 3.0
    assert told.mae == approx(error, rel=1e-12)
    assert told.mse == approx(error**2, rel=1e-12)
    assert told.mse_se < 1e-12


# Beside the noise


def beside(predicted, rating, expected):
    return compare_to_noise_floor(
        *(torch.as_tensor(column) for column in (predicted, rating, expected))
    )


def noisy_ratings(n):
    """Expected ratings, and those with noise."""
    rng = np.random.default_rng(0)
    expected = rng.uniform(1, 5, n)
    return expected, expected + rng.normal(0, 0.7, n), rng


def test_the_floor_by_hand():
    """Squared errors 1, 0, 4 beside 0.25, 0, 1: differences 0.75, 0, 3 of mean 1.25."""
    told = beside([4.0, 3.0, 1.0], [3.0, 3.0, 3.0], [3.5, 3.0, 2.0])
    assert told.noise_rmse == approx(sqrt(1.25 / 3))
    assert told.above_floor == approx(1.25)
    assert told.above_floor_se == approx(sqrt((0.5**2 + 1.25**2 + 1.75**2) / 2 / 3))
    assert told.leak is False


def test_nothing_is_said_of_an_unknown_floor():
    told = compare_to_noise_floor(torch.tensor([4.0]), torch.tensor([3.0]), None)
    assert told == NoiseFloorGap(noise_rmse=None, above_floor=None, above_floor_se=None, leak=None)


def test_the_expected_ratings_are_on_their_own_floor():
    expected, rating, _ = noisy_ratings(1_000)
    told = beside(expected, rating, expected)
    assert (told.above_floor, told.above_floor_se, told.leak) == (0, 0, False)


@pytest.mark.filterwarnings("error")
def test_one_rating_is_no_leak():
    told = beside([3.0], [3.0], [3.5])
    assert told.above_floor == -0.25
    assert told.leak is False


def test_an_honest_prediction_is_above_the_floor_by_how_far_it_is_from_the_expected():
    expected, rating, rng = noisy_ratings(100_000)
    told = beside(expected + rng.normal(0, 0.3, 100_000), rating, expected)
    assert told.above_floor == approx(0.3**2, abs=3 * told.above_floor_se)
    assert told.above_floor_se < 0.01 * 0.3
    assert told.leak is False


def test_a_prediction_that_peeks_is_a_leak():
    """A fifth of the noise seen leaves four fifths of it as error: 0.36 of its square is gone."""
    expected, rating, _ = noisy_ratings(1_000)
    told = beside(expected + 0.2 * (rating - expected), rating, expected)
    assert told.above_floor == approx(-0.36 * told.noise_rmse**2)
    assert told.leak is True


def test_an_almost_perfect_prediction_is_hardly_ever_called_a_leak():
    """As often as a Gaussian is below -3: 2.7 times in 2,000."""
    rng = np.random.default_rng(0)
    told = [
        beside(rng.normal(0, 1e-3, 500), rng.normal(0, 0.7, 500), np.zeros(500))
        for _ in range(2_000)
    ]
    assert np.std([one.above_floor / one.above_floor_se for one in told]) == approx(1, rel=0.05)
    assert sum(one.leak for one in told) < 10
