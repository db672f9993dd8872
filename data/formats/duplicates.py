"""Several ratings of one film by one user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...errors import DataError
from ..ratings import Int, Ratings, Scale
from ..tables.columns import Duplicates


def without_duplicates(
    ratings: Ratings, duplicates: Duplicates, place: Callable[[int], str]
) -> Ratings:
    """The ratings sorted by user and film, each pair once.

    Args:
        ratings: in the order of their file.
        duplicates: of one pair keep the newest rating (by time, then by place in the file), or
            their mean with the newest time.
        place: where a row is, such as `ratings.csv line 7`.

    Raises:
        DataError: there are duplicates, and they are to be refused.
    """
    pair = ratings.user * ratings.n_films + ratings.film
    if (pair[1:] > pair[:-1]).all():
        return ratings
    order = np.argsort(pair, kind="stable")
    is_repeated = np.diff(pair[order]) == 0
    n_repeated = int(is_repeated.sum())
    if not n_repeated:
        return ratings.take(order)
    if duplicates == "error":
        raise _error(ratings, order, is_repeated, n_repeated, place)
    if ratings.timestamp is not None:
        order = np.lexsort((ratings.timestamp, pair))
    last = np.append(~is_repeated, True)  # of each pair's rows
    merged = ratings.take(order[last])
    if duplicates == "mean":
        first = np.flatnonzero(np.insert(~is_repeated, 0, True))
        sums = np.add.reduceat(ratings.rating[order].astype(np.float64), first)
        counts = np.diff(np.append(first, len(order)))
        merged = replace(merged, rating=(sums / counts).astype(np.float32))
    scale = Scale(float(merged.rating.min()), float(merged.rating.max()))
    kept = "the newest" if duplicates == "newest" else "the mean"
    note = f"{n_repeated:,} of {len(ratings):,} ratings repeat a user and film; kept {kept} of each"
    return replace(merged, scale=scale, notes=(*merged.notes, note))


def _error(
    ratings: Ratings,
    order: Int,
    is_repeated: np.ndarray,
    n_repeated: int,
    place: Callable[[int], str],
) -> DataError:
    """The error for the first row that repeats a user and film."""
    at = np.flatnonzero(is_repeated) + 1
    first = at[np.argmin(order[at])]
    row, earlier = int(order[first]), int(order[first - 1])
    user_id, film_id = ratings.user_ids[ratings.user[row]], ratings.films.ids[ratings.film[row]]
    more = f" ({n_repeated:,} ratings repeat a pair)" if n_repeated > 1 else ""
    return DataError(
        f"{place(row)}: user {user_id} already rated film {film_id} on {_line(place(earlier))}"
        f"{more}; keep one of the two, or choose with --duplicates newest or mean"
    )


def _line(place: str) -> str:
    """`line 7` of `ratings.csv line 7`."""
    return " ".join(place.split(" ")[-2:])
