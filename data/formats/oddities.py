"""Notes on ratings that can be read, but would give misleading figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import numpy as np

from ..ratings import Float, Int

# At most this many ratings, and at most 1% of all, count as strays if they widen the scale by at
# least this factor.
MAX_STRAYS = 10
MIN_WIDENING = 3.0
_MAX_SHOWN = 3
_FEWEST_TIMES = 100  # fewer ratings are made up by hand, with times such as 1 and 2
_FIRST_RATINGS = 315_532_800  # the start of 1980


def odd_ratings(rating: Float, place: Callable[[int], str]) -> Iterator[str]:
    """Sentences on a scale without information, or one that a handful of ratings widen.

    Args:
        rating: (n,) at least one.
        place: where a row is, such as `ratings.csv line 7`.
    """
    low, high = float(rating.min()), float(rating.max())
    if low == high:
        yield (
            f"all ratings are {low:g}: this is implicit data, in which a rating only says that "
            "there was one; RMSE says nothing about it"
        )
    elif ((rating == low) | (rating == high)).all() and (low, high) in ((0, 1), (-1, 1)):
        yield (
            f"all ratings are {low:g} or {high:g}: this is implicit data, likes or clicks; RMSE "
            "says little about it"
        )
    elif strays := _strays(rating):
        rows, usual_low, usual_high = strays
        shown = ", ".join(f"{rating[row]:g} ({place(row)})" for row in rows[:_MAX_SHOWN])
        more = f" and {len(rows) - _MAX_SHOWN} more" if len(rows) > _MAX_SHOWN else ""
        yield (
            f"ratings run from {low:g} to {high:g}, but all except {len(rows)} of "
            f"{len(rating):,} from {usual_low:g} to {usual_high:g}: check {shown}{more}; "
            "predictions may lie anywhere on the wider scale"
        )


def odd_times(timestamp: Int | None) -> Iterator[str]:
    """A sentence on times that cannot be when people rated.

    Args:
        timestamp: (n,) seconds since 1970, or None.
    """
    if timestamp is None or len(timestamp) < _FEWEST_TIMES:
        return
    if timestamp.max() < _FIRST_RATINGS:
        year = datetime.fromtimestamp(int(timestamp.max()), UTC).year
        yield (
            f"all times are before {year + 1}: they are probably not seconds since 1970; write "
            "seconds or dates, or leave them out with --columns timestamp=-"
        )


def _strays(rating: Float) -> tuple[list[int], float, float] | None:
    """Rows that widen the scale far beyond the others, and the others' lowest and highest."""
    most = min(MAX_STRAYS, len(rating) // 100)
    if not most:
        return None
    lowest = np.sort(np.partition(rating, most)[: most + 1])
    highest = np.sort(np.partition(rating, -most - 1)[-most - 1 :])
    for n_strays in range(1, most + 1):
        # Leave out `i` of the lowest, and the others of the highest.
        i = min(range(n_strays + 1), key=lambda i: highest[i - n_strays - 1] - lowest[i])
        low, high = float(lowest[i]), float(highest[i - n_strays - 1])
        if low < high and highest[-1] - lowest[0] >= MIN_WIDENING * (high - low):
            return np.flatnonzero((rating < low) | (rating > high)).tolist(), low, high
    return None
