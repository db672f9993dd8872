"""Notes on ratings with the same time, whose order a split by time cannot know.

User and film ids then decide: for dates without a time of day, or an export's date in every row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..ratings import Int, Ratings

_REMEDY = "choose a split that does not use time, such as 80/10/10"


def shared_boundaries(ratings: Ratings, order: Int, boundaries: dict[str, int]) -> tuple[str, ...]:
    """A sentence for each boundary of a temporal split that is not between two times.

    Args:
        order: (n,) rows, oldest first.
        boundaries: name -> position in `order` of the first row after the boundary.

    Raises:
        DataError: all ratings have the same time.
    """
    assert ratings.timestamp is not None
    time = ratings.timestamp[order]
    if len(time) and time[0] == time[-1]:
        raise DataError(
            f"all {len(time):,} ratings of {ratings.name} have the same time "
            f"({format_time(time[0])}), so a temporal split would be by user id; {_REMEDY}"
        )
    notes = []
    for name, first in boundaries.items():
        if not 0 < first < len(time) or time[first - 1] != time[first]:
            continue
        n = np.searchsorted(time, time[first], "right") - np.searchsorted(time, time[first])
        notes.append(
            f"{n:,} ratings have the same time ({format_time(time[first])}) as the boundary "
            f"between {name}; which side they are on is decided by user and film id, not by time"
        )
    return tuple(notes)


def users_without_order(
    ratings: Ratings, split: str, boundary: tuple[Int, Int], ends: tuple[Int, Int]
) -> tuple[str, ...]:
    """A sentence on users whose held-out ratings are not newer than those that stay in train.

    Args:
        split: such as `leave-last-1`.
        boundary: rows of each user's newest rating in train, and of the oldest held-out one.
        ends: rows of each user's oldest rating, and of the newest.

    Raises:
        DataError: no user has ratings of different times.
    """
    tied, single = (_same_time(ratings, *rows) for rows in (boundary, ends))
    if single.all():
        raise DataError(
            f"no user in {ratings.name} has ratings of different times, so a {split} split would "
            f"be by film id; {_REMEDY}"
        )
    if not tied.any():
        return ()
    all_at_once = f" ({single.sum():,} of them rated all films at one time)" if single.any() else ""
    return (
        f"{tied.sum():,} of {len(tied):,} users have held-out ratings with the same time as "
        f"ratings that stay in train{all_at_once}; which are held out is decided by film id, not "
        "by time",
    )


def format_time(timestamp: int) -> str:
    """A second since 1970 as a date, and its time of day unless that is midnight, in UTC."""
    text = str(np.datetime64(int(timestamp), "s")).replace("T", " ")
    return text.removesuffix(" 00:00:00")


def _same_time(ratings: Ratings, rows: Int, others: Int) -> NDArray[np.bool_]:
    assert ratings.timestamp is not None
    return ratings.timestamp[rows] == ratings.timestamp[others]
