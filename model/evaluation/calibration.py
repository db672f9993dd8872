"""Whether the distributions that a model predicts fit the ratings."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..components.likelihoods.probabilities import Probabilities
from .prediction_errors import mean_with_se


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Figures of predicted distributions; all None without any.

    Attributes:
        nll: mean of minus the logarithm of the probability of the rating's level, in nats.
        nll_se: its standard error, which treats the rows as independent draws.
        coverage_50, coverage_80, coverage_95: share of the ratings within the central interval that
            should have 50, 80 or 95 percent of them.
    """

    nll: float | None = None
    nll_se: float | None = None
    coverage_50: float | None = None
    coverage_80: float | None = None
    coverage_95: float | None = None


def calibration(probabilities: Probabilities | None) -> Calibration:
    """The figures of the probabilities of (n,) ratings, with n at least 1."""
    if probabilities is None:
        return Calibration()
    nll, nll_se = mean_with_se(-probabilities.log_mass)
    return Calibration(
        nll=nll,
        nll_se=nll_se,
        coverage_50=coverage(probabilities, 0.50),
        coverage_80=coverage(probabilities, 0.80),
        coverage_95=coverage(probabilities, 0.95),
    )


def coverage(probabilities: Probabilities, share: float) -> float:
    """Share of the ratings within the central interval with this probability.

    The interval ends within levels. A level that is partly within counts with the share of its
    probability that is, so calibrated distributions have a coverage of exactly `share` on average,
    which intervals of whole levels have not.

    Source: the probability integral transform of counts, Czado, Gneiting & Held 2009, "Predictive
    model assessment for count data", section 2.
    """
    mass = probabilities.log_mass.exp()
    low, high = (1 - share) / 2, (1 + share) / 2
    within: Tensor = (probabilities.below + mass).clamp(max=high) - probabilities.below.clamp(
        min=low
    )
    # The mass of a rating that was thought impossible may be 0.
    return float((within.clamp(min=0) / mass.clamp(min=1e-300)).mean())
