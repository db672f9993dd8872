"""How much better one prediction is than another on the same ratings."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Gain:
    """How far an RMSE is below another's, with a 95% interval; positive if it is better.

    Attributes:
        rmse, low, high: in the ratings' unit.
    """

    rmse: float
    low: float
    high: float


def paired_gain(errors: NDArray[np.float64], others: NDArray[np.float64]) -> Gain:
    """The gain of predictions with (n,) `errors` over those with the errors `others`.

    The interval is the mean of the n paired differences of squared errors, plus and minus 1.96
    standard errors, divided by the sum of both RMSEs: a difference of MSEs is one of RMSEs times
    their sum. It treats rows as independent draws, and is infinite for a single one.
    """
    squares, other_squares = errors**2, others**2
    difference = other_squares - squares
    n = len(difference)
    half_width = Z * float(difference.std(ddof=1)) / sqrt(n) if n > 1 else inf
    mean = float(difference.mean())
    scale = sqrt(squares.mean()) + sqrt(other_squares.mean()) or 1.0
    return Gain(mean / scale, (mean - half_width) / scale, (mean + half_width) / scale)
