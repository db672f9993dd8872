"""How far predictions are from ratings, with standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

from torch import Tensor

# Standard errors below the floor; by chance, fewer than 1 honest model in 700 gets there.
LEAK_SE = 3


@dataclass(frozen=True, kw_only=True)
class PredictionErrors:
    """RMSE and MAE in stars, MSE in stars squared, each with its standard error.

    The standard errors treat the rows as independent draws; NaN for a single row.
    """

    rmse: float
    rmse_se: float
    mse: float
    mse_se: float
    mae: float
    mae_se: float


def prediction_errors(predicted: Tensor, rating: Tensor) -> PredictionErrors:
    """The errors of (n,) predictions with n at least 1, summed in float64.

    The RMSE's standard error is the MSE's divided by 2·RMSE (the delta method).
    """
    error = predicted.double() - rating.double()
    mse, mse_se = mean_with_se(error.square())
    mae, mae_se = mean_with_se(error.abs())
    rmse = sqrt(mse)
    return PredictionErrors(
        rmse=rmse,
        rmse_se=mse_se / (2 * rmse) if rmse else mse_se,  # both are 0 without any error
        mse=mse,
        mse_se=mse_se,
        mae=mae,
        mae_se=mae_se,
    )


@dataclass(frozen=True, kw_only=True)
class NoiseFloorGap:
    """How far predictions are above the irreducible error; all None if that is unknown.

    Attributes:
        noise_rmse: RMSE of the true expected ratings on the same rows, in stars.
        above_floor: mean over the rows of the prediction's squared error minus that of the expected
            rating, in stars squared.
        above_floor_se: its standard error.
        leak: whether `above_floor` is more than three standard errors below 0.
    """

    noise_rmse: float | None = None
    above_floor: float | None = None
    above_floor_se: float | None = None
    leak: bool | None = None


def compare_to_noise_floor(
    predicted: Tensor, rating: Tensor, expected: Tensor | None
) -> NoiseFloorGap:
    """Compare (n,) predictions with the true expected ratings (everything but the noise).

    For a row with prediction p, expected rating e and rating r, where p has not seen the noise
    r - e, E[(p - r)² - (e - r)²] = E[(p - e)²], which is never negative: a mean far below 0 is a
    leak. Both errors are measured on the same rows, so their common part cancels: the nearer the
    predictions are to e, the smaller the standard error.
    """
    if expected is None:
        return NoiseFloorGap()
    noise = (expected.double() - rating.double()).square()
    above, above_se = mean_with_se((predicted.double() - rating.double()).square() - noise)
    return NoiseFloorGap(
        noise_rmse=sqrt(float(noise.mean())),
        above_floor=above,
        above_floor_se=above_se,
        leak=above < -LEAK_SE * above_se,
    )


def mean_with_se(values: Tensor) -> tuple[float, float]:
    """Mean of (n,) values, and its standard error from the sample variance."""
    n = len(values)
    return float(values.mean()), sqrt(float(values.var()) / n) if n > 1 else nan
