"""When generated users rate, and how their bias drifts meanwhile."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from ..ratings import Int

_HOUR_S, _DAY_S = 3_600, 86_400
_YEAR_S = 365 * _DAY_S

# (standard deviation in stars, typical period in seconds) of each wave of a user's bias: change
# over years, phases of weeks, and the day's mood. About each user's mean, which biases hold, the
# drift has a variance of 0.04 stars²: who knows all else is 0.02 to 0.03 of RMSE above the floor,
# about what time neighbours gain on ml-latest-small (0.798 to 0.779). That is the most there is to
# gain; a shrunk mean of ten neighbours on each side gains 0.01.
DRIFT = ((0.13, 6 * _YEAR_S), (0.19, 60 * _DAY_S), (0.20, 3 * _HOUR_S))
_PERIOD_SPREAD = 0.5  # of a wave's log period, from user to user

_BETWEEN_RATINGS_S = 15  # mean
_BETWEEN_SESSIONS_S = 10 * _DAY_S  # median
_SESSIONS_SPREAD = 1.25  # of its logarithm: from a day to some months
_SESSION_LENGTH = 3  # a user of n ratings gives about 3·√n at a sitting


def draw_seconds(rng: np.random.Generator, counts: Int) -> Int:
    """Whole seconds from a user's first rating to each of theirs, user after user, ascending.

    Ratings come in sessions, seconds apart; from session to session it is days or months.

    Args:
        counts: (n_users,) ratings of each user, at least 1.
    """
    n_ratings, first = counts.sum(), counts.cumsum() - counts
    gap_s = rng.exponential(_BETWEEN_RATINGS_S, n_ratings).astype(np.int64)
    begins = rng.random(n_ratings) * np.repeat(_SESSION_LENGTH * np.sqrt(counts), counts) < 1
    away_s = rng.lognormal(np.log(_BETWEEN_SESSIONS_S), _SESSIONS_SPREAD, begins.sum())
    gap_s[begins] += away_s.astype(np.int64)
    gap_s[first] = 0
    passed_s = gap_s.cumsum()
    return passed_s - np.repeat(passed_s[first], counts)


def draw_drift(rng: np.random.Generator, counts: Int, seconds: Int) -> NDArray[np.float64]:
    """(n,) stars by which a user's bias is off its mean at each of their ratings.

    A sum of sine waves, whose periods and phases are the user's own: ratings of one sitting
    resemble each other, and those of one season, and those of one year.

    Args:
        seconds: (n,) as `draw_seconds` has them.
    """
    stars = np.zeros(len(seconds))
    for sd, period_s in DRIFT:
        period = period_s * rng.lognormal(0, _PERIOD_SPREAD, len(counts))
        phase = rng.uniform(0, 2 * pi, len(counts))
        angle = np.repeat(2 * pi / period, counts) * seconds + np.repeat(phase, counts)
        stars += sd * sqrt(2) * np.sin(angle)
    return stars
