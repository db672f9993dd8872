"""How far predictions are from ratings, with how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PredictionErrors:
    """RMSE and MAE in stars, MSE in stars squared, each with its standard error.

    The standard errors take the rows as independent draws; NaN where there is one row alone.
    """

    rmse: float
    rmse_se: float
    mse: float
    mse_se: float
    mae: float
    mae_se: float


def prediction_errors(predicted: Tensor, rating: Tensor) -> PredictionErrors:
    """The errors of (n,) predictions, n at least 1; summed in float64.

    The RMSE's standard error is the MSE's divided by 2·RMSE (the delta method).
    """
    error = predicted.double() - rating.double()
    mse, mse_se = _mean(error.square())
    mae, mae_se = _mean(error.abs())
    rmse = sqrt(mse)
    return PredictionErrors(
        rmse=rmse,
        rmse_se=mse_se / (2 * rmse) if rmse else mse_se,  # without any error both are 0
        mse=mse,
        mse_se=mse_se,
        mae=mae,
        mae_se=mae_se,
    )


def _mean(values: Tensor) -> tuple[float, float]:
    """The mean of (n,) values and its standard error, from the sample variance."""
    n = len(values)
    return float(values.mean()), sqrt(float(values.var()) / n) if n > 1 else nan
