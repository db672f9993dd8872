"""When generated users rate, and how their bias drifts over time."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from ..ratings import Int

_HOUR_S, _DAY_S = 3_600, 86_400
_YEAR_S = 365 * _DAY_S

# (standard deviation in stars, median period in seconds) of each sine wave in a user's bias:
# changes over years, phases of weeks, and the mood of the day. Around each user's mean, which the
# biases capture, the drift has a variance of 0.04 stars². A model that knows everything else is
# 0.02 to 0.03 of RMSE above the noise floor, about what time neighbours gain on ml-latest-small
# (0.798 to 0.779). That is the most a model can gain; a shrunk mean of ten neighbours on each side
# gains 0.01.
DRIFT = ((0.13, 6 * _YEAR_S), (0.19, 60 * _DAY_S), (0.20, 3 * _HOUR_S))
_LOG_PERIOD_SD = 0.5  # of a wave's period, across users

_RATING_GAP_S = 15  # mean, within a session
_SESSION_GAP_S = 10 * _DAY_S  # median, between sessions
_LOG_SESSION_GAP_SD = 1.25  # gaps range from a day to some months
_SESSION_LENGTH = 3  # a user with n ratings gives about 3·√n per session


def draw_seconds(rng: np.random.Generator, counts: Int) -> Int:
    """Whole seconds since the user's first rating, for every rating: by user, then ascending.

    Ratings come in sessions: seconds apart within one, days or months apart between two.

    Args:
        counts: (n_users,) ratings of each user, at least 1.
    """
    n_ratings, first = counts.sum(), counts.cumsum() - counts
    gap_s = rng.exponential(_RATING_GAP_S, n_ratings).astype(np.int64)
    starts_session = (
        rng.random(n_ratings) * np.repeat(_SESSION_LENGTH * np.sqrt(counts), counts) < 1
    )
    session_gap_s = rng.lognormal(np.log(_SESSION_GAP_S), _LOG_SESSION_GAP_SD, starts_session.sum())
    gap_s[starts_session] += session_gap_s.astype(np.int64)
    gap_s[first] = 0
    total_s = gap_s.cumsum()
    return total_s - np.repeat(total_s[first], counts)


def draw_drift(rng: np.random.Generator, counts: Int, seconds: Int) -> NDArray[np.float64]:
    """(n,) deviation of a user's bias from its mean at each rating, in stars.

    A sum of sine waves whose periods and phases differ between users, so ratings of the same
    session, season and year resemble each other.

    Args:
        seconds: (n,) from `draw_seconds`.
    """
    stars = np.zeros(len(seconds))
    for sd, period_s in DRIFT:
        period = period_s * rng.lognormal(0, _LOG_PERIOD_SD, len(counts))
        phase = rng.uniform(0, 2 * pi, len(counts))
        angle = np.repeat(2 * pi / period, counts) * seconds + np.repeat(phase, counts)
        stars += sd * sqrt(2) * np.sin(angle)
    return stars
