"""A straight line, or any sum of known shapes, through few points, and how sure one can be of it.

Conjugate Bayesian linear regression, in closed form. What it predicts has a t distribution.

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
        coefficients: (n_terms,) their means.
        covariance: (n_terms, n_terms) of the coefficients, in units of the noise variance.
        freedom: degrees of freedom of a prediction's t distribution.
        log_evidence: up to a constant, the same for fits of one y with one guess of the noise.
    """

    coefficients: Doubles
    covariance: Doubles
    noise_variance: float
    freedom: int
    log_evidence: float

    def predict(self, x: Doubles) -> tuple[Doubles, Doubles]:
        """Mean and scale of the t distribution of new values, their noise included.

        Its standard deviation is sqrt(freedom / (freedom - 2)) times the scale.

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
        prior_sds: of each coefficient around 0 before anything is seen, if the noise is as guessed.
        noise_sd: a first guess, above 0, worth `noise_weight` points.
    """
    prior = np.diag([(noise_sd / sd) ** 2 for sd in prior_sds])
    precision = prior + x.T @ x
    covariance = np.linalg.inv(precision).astype(np.float64)
    coefficients: Doubles = covariance @ (x.T @ y)
    freedom = noise_weight + len(y)
    misfit = float(y @ y - coefficients @ precision @ coefficients)
    rate = 0.5 * (noise_weight * noise_sd**2 + max(misfit, 0.0))
    shrunk = np.linalg.slogdet(precision)[1] - np.linalg.slogdet(prior)[1]
    log_evidence = -0.5 * shrunk - 0.5 * freedom * math.log(rate)
    return Fit(coefficients, covariance, 2 * rate / freedom, freedom, float(log_evidence))


def student_t_cdf(t: Doubles, freedom: int) -> Doubles:
    """P(T <= t) of Student's t distribution, exact for whole degrees of freedom from 1 on.

    Source: Abramowitz & Stegun 1964, 26.7.3 and 26.7.4.
    """
    angle = np.arctan2(t, math.sqrt(freedom))
    sine, cosine = np.sin(angle), np.cos(angle)
    odd = freedom % 2
    term = cosine if odd else np.ones_like(angle)
    total = np.zeros_like(angle)
    for k in range(2 + odd, freedom + 1, 2):
        total = total + term
        term = term * cosine**2 * (k - 1) / k
    within = 2 / np.pi * (angle + sine * total) if odd else sine * total
    return 0.5 * (1 + within)
