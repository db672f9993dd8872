"""Gaussian processes over encoded configs, with their most likely hyperparameters.

Source: Rasmussen and Williams 2006, "Gaussian processes for machine learning"; the prior of the
length scales grows with the number of axes, after Hvarfner et al. 2024, "Vanilla Bayesian
optimization performs great in high dimensions".
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize

from .encoding import Doubles

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

MAX_ITERATIONS = 30
JITTER = 1e-8


def fit_process(
    points: Doubles, values: Doubles, variance: Doubles | float = 0.0
) -> GaussianProcessRegressor:
    """A Gaussian process with the most likely hyperparameters.

    Args:
        points: (n, n_columns) of an `Encoding`.
        values: (n,) of mean 0 and variance 1 or so.
        variance: of the values, in addition to the noise that is common to all.
    """
    # Imported here: it takes a second, which the commands that only read need not wait for.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor

    process = GaussianProcessRegressor(
        _kernel(points),
        alpha=np.broadcast_to(variance + JITTER, len(points)),
        optimizer=_maximum_a_posteriori,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return process.fit(points, values)


def square_root(covariance: Doubles) -> Doubles:
    """The lower triangular root of a covariance that rounding may have made slightly indefinite.

    Raises:
        LinAlgError: it is far from positive definite.
    """
    unit = np.eye(len(covariance))
    for jitter in (1e-6, 1e-4, 1e-2):
        try:
            return np.linalg.cholesky(covariance + jitter * unit).astype(np.float64)
        except np.linalg.LinAlgError:
            continue
    raise np.linalg.LinAlgError("the covariance is not positive definite")


def _kernel(points: Doubles) -> Any:
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    n = points.shape[1]
    scales = Matern(np.full(n, _usual_scale(n)), length_scale_bounds=(0.05, 1e2), nu=2.5)
    return ConstantKernel(1.0, (1e-2, 1e2)) * scales + WhiteKernel(1e-2, (1e-4, 1.0))


def _maximum_a_posteriori(
    objective: Callable[..., Any], start: Doubles, bounds: Doubles
) -> tuple[Doubles, float]:
    """The hyperparameters with the highest posterior, for scikit-learn's `optimizer`."""
    n_scales = len(start) - 2
    mean = np.array([0.0, *[np.log(_usual_scale(n_scales))] * n_scales, np.log(1e-2)])
    sd = np.array([1.0, *[1.0] * n_scales, 1.5])

    def loss(theta: Doubles) -> tuple[float, Doubles]:
        value, gradient = objective(theta, eval_gradient=True)
        z = (theta - mean) / sd
        return float(value + 0.5 * z @ z), gradient + z / sd

    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": MAX_ITERATIONS}
    )
    return found.x, found.fun


def _usual_scale(n_columns: int) -> float:
    """The length scale to expect: the more columns, the further apart are two random points."""
    return float(np.sqrt(n_columns) / 2)
