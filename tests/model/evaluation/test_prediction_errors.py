"""Errors of predictions, worked out by hand and by simulation."""

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


def test_errors_of_three_predictions_by_hand():
    """Errors 1, 0 and -2: squares 1, 0, 4 of variance 13/3; sizes 1, 0, 2 of variance 1."""
    errors = errors_of([4.0, 3.0, 1.0], [3.0, 3.0, 3.0])
    assert (errors.mse, errors.mae) == (approx(5 / 3), approx(1))
    assert errors.rmse == approx(sqrt(5 / 3))
    assert errors.mse_se == approx(sqrt(13 / 3 / 3))
    assert errors.rmse_se == approx(sqrt(13 / 3 / 3) / (2 * sqrt(5 / 3)))
    assert errors.mae_se == approx(sqrt(1 / 3))


def test_perfect_predictions_have_errors_and_standard_errors_of_zero():
    errors = errors_of([4.0, 3.5], [4.0, 3.5])
    assert {errors.rmse, errors.rmse_se, errors.mse, errors.mse_se, errors.mae, errors.mae_se} == {
        0.0
    }


@pytest.mark.filterwarnings("error")
def test_one_rating_has_no_standard_error():
    errors = errors_of([4.0], [2.0])
    assert (errors.rmse, errors.mse, errors.mae) == (2, 4, 2)
    assert isnan(errors.rmse_se)
    assert isnan(errors.mse_se)
    assert isnan(errors.mae_se)


def test_standard_errors_match_the_spread_over_repeated_samples():
    rng = np.random.default_rng(0)
    error = rng.laplace(0, 0.6, (4_000, 500)).astype(np.float32)
    zero = torch.zeros(500)
    errors = [prediction_errors(torch.from_numpy(row), zero) for row in error]
    for name in ("rmse", "mse", "mae"):
        spread = np.std([getattr(one, name) for one in errors])
        claimed = np.mean([getattr(one, f"{name}_se") for one in errors])
        assert claimed == approx(spread, rel=0.05)


def test_millions_of_small_errors_are_summed_in_double_precision():
    """A running float32 sum stops growing at 2^24 times a term."""
    n = 20_000_000
    predicted = torch.full((n,), 3.1)
    errors = prediction_errors(predicted, torch.tensor(3.0).expand(n))
    error = float(torch.tensor(3.1).double()) - 3.0
    assert errors.mae == approx(error, rel=1e-12)
    assert errors.mse == approx(error**2, rel=1e-12)
    assert errors.mse_se < 1e-12


# The noise floor


def gap_to_floor(predicted, rating, expected):
    return compare_to_noise_floor(
        *(torch.as_tensor(column) for column in (predicted, rating, expected))
    )


def noisy_ratings(n):
    """Expected ratings, and those with noise."""
    rng = np.random.default_rng(0)
    expected = rng.uniform(1, 5, n)
    return expected, expected + rng.normal(0, 0.7, n), rng


def test_the_floor_by_hand():
    """Squared errors 1, 0, 4 against 0.25, 0, 1: differences 0.75, 0, 3 with mean 1.25."""
    gap = gap_to_floor([4.0, 3.0, 1.0], [3.0, 3.0, 3.0], [3.5, 3.0, 2.0])
    assert gap.noise_rmse == approx(sqrt(1.25 / 3))
    assert gap.above_floor == approx(1.25)
    assert gap.above_floor_se == approx(sqrt((0.5**2 + 1.25**2 + 1.75**2) / 2 / 3))
    assert gap.leak is False


def test_an_unknown_floor_gives_none():
    gap = compare_to_noise_floor(torch.tensor([4.0]), torch.tensor([3.0]), None)
    assert gap == NoiseFloorGap(noise_rmse=None, above_floor=None, above_floor_se=None, leak=None)


def test_the_expected_ratings_are_exactly_on_the_floor():
    expected, rating, _ = noisy_ratings(1_000)
    gap = gap_to_floor(expected, rating, expected)
    assert (gap.above_floor, gap.above_floor_se, gap.leak) == (0, 0, False)


@pytest.mark.filterwarnings("error")
def test_a_single_rating_is_never_a_leak():
    gap = gap_to_floor([3.0], [3.0], [3.5])
    assert gap.above_floor == -0.25
    assert gap.leak is False


def test_an_honest_prediction_is_above_the_floor_by_its_squared_distance_to_the_expected():
    expected, rating, rng = noisy_ratings(100_000)
    gap = gap_to_floor(expected + rng.normal(0, 0.3, 100_000), rating, expected)
    assert gap.above_floor == approx(0.3**2, abs=3 * gap.above_floor_se)
    assert gap.above_floor_se < 0.01 * 0.3
    assert gap.leak is False


def test_a_prediction_that_has_seen_part_of_the_noise_is_a_leak():
    """With a fifth of the noise known, four fifths remain as error: 0.36 less when squared."""
    expected, rating, _ = noisy_ratings(1_000)
    gap = gap_to_floor(expected + 0.2 * (rating - expected), rating, expected)
    assert gap.above_floor == approx(-0.36 * gap.noise_rmse**2)
    assert gap.leak is True


def test_an_almost_perfect_prediction_is_rarely_called_a_leak():
    """As often as a Gaussian falls below -3: 2.7 times in 2,000."""
    rng = np.random.default_rng(0)
    gaps = [
        gap_to_floor(rng.normal(0, 1e-3, 500), rng.normal(0, 0.7, 500), np.zeros(500))
        for _ in range(2_000)
    ]
    assert np.std([gap.above_floor / gap.above_floor_se for gap in gaps]) == approx(1, rel=0.05)
    assert sum(gap.leak for gap in gaps) < 10
