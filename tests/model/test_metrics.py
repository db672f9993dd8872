"""Errors of predictions, by hand and against plain sums."""

from __future__ import annotations

from math import isnan, sqrt

import numpy as np
import pytest
import torch
from pytest import approx
from recsys_search.model.metrics import prediction_errors


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
