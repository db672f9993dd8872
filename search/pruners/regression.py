"""Bayesian linear regression on few points: a line, or any sum of known shapes.

Conjugate priors give the posterior, its t-distributed predictions and the evidence in closed form.
Hand-written for the evidence and the prior on the noise in units of points, which scikit-learn's
BayesianRidge does not offer.

Source: Bishop 2006, "Pattern recognition and machine learning", 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """Normal-inverse-gamma posterior of y = x @ coefficients + noise.

    Attributes:
        coefficients: (n_terms,) posterior means.
        covariance: (n_terms, n_terms) of the coefficients, in units of the noise variance.
        freedom: degrees of freedom of a prediction's t distribution.
        log_evidence: up to a constant that fits of the same y with the same noise guess share.
    """

    coefficients: Doubles
    covariance: Doubles
    noise_variance: float
    freedom: int
    log_evidence: float

    def predict(self, x: Doubles) -> tuple[Doubles, Doubles]:
        """Mean and scale of the t distribution of new values, noise included.

        The standard deviation is sqrt(freedom / (freedom - 2)) times the scale.

        Args:
            x: (n, n_terms).
        """
        spread = 1.0 + np.einsum("tk,kl,tl->t", x, self.covariance, x)
        return x @ self.coefficients, np.sqrt(self.noise_variance * spread)


def regression(
    x: Doubles, y: Doubles, *, prior_sds: Sequence[float], noise_sd: float, noise_weight: int
) -> Fit:
    """The posterior of y = x @ coefficients + noise.

    Args:
        x: (n, n_terms).
        y: (n,), may be empty.
        prior_sds: prior standard deviations of the coefficients around 0, given the guessed noise.
        noise_sd: first guess of the noise, above 0, with the weight of `noise_weight` points.
    """
    prior = np.diag([(noise_sd / sd) ** 2 for sd in prior_sds])
    precision = prior + x.T @ x
    covariance = np.linalg.inv(precision).astype(np.float64)
    coefficients: Doubles = covariance @ (x.T @ y)
    freedom = noise_weight + len(y)
    misfit = float(y @ y - coefficients @ precision @ coefficients)
    rate = 0.5 * (noise_weight * noise_sd**2 + max(misfit, 0.0))
    shrinkage = np.linalg.slogdet(precision)[1] - np.linalg.slogdet(prior)[1]
    log_evidence = -0.5 * shrinkage - 0.5 * freedom * math.log(rate)
    return Fit(coefficients, covariance, 2 * rate / freedom, freedom, float(log_evidence))
