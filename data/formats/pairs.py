"""Reads (user, film) pairs to predict, and writes the predictions."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...base.files import write_atomically
from ...errors import DataError
from ..ratings import Int, Ratings
from .tables import ID_REMEDY, Table


class UserFilmPairs(NamedTuple):
    """Pairs whose rating is to be predicted.

    Attributes:
        user_id, film_id: (n,), the dataset's own ids.
        timestamp: (n,) seconds since 1970, or None.
    """

    user_id: Int
    film_id: Int
    timestamp: Int | None

    def indices(self, ratings: Ratings) -> tuple[Int, Int]:
        """User and film indices (n,) in the dataset, -1 for unknown ids."""
        return _indices_of(self.user_id, ratings.user_ids), _indices_of(
            self.film_id, ratings.films.ids
        )


def read_pairs(path: Path) -> UserFilmPairs:
    """Read `userId,movieId[,timestamp]`, with columns in any order; pairs may repeat.

    Raises:
        DataError: names the file, the line, the value and the remedy.
    """
    table = Table(path, ("userId", "movieId"), ("timestamp",))
    has_times = "timestamp" in table.columns
    users, films, times = [], [], []
    for row in table.rows():
        users.append(table.whole_number(row, "userId", ID_REMEDY))
        films.append(table.whole_number(row, "movieId", ID_REMEDY))
        if has_times:
            times.append(table.timestamp(row, "timestamp"))
    if not users:
        raise DataError(f"{path} has no pairs; add a line such as 1,296")
    timestamp = np.array(times, np.int64) if has_times else None
    return UserFilmPairs(np.array(users, np.int64), np.array(films, np.int64), timestamp)


def write_predictions(
    path: Path, pairs: UserFilmPairs, rating: NDArray[np.float32], known: NDArray[np.bool_]
) -> None:
    """Write `userId,movieId,rating,known` in the order of the pairs, atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    table = pd.DataFrame(
        {
            "userId": pairs.user_id,
            "movieId": pairs.film_id,
            "rating": rating.round(4),
            "known": np.where(known, "true", "false"),
        }
    )
    write_atomically(path, lambda partial: table.to_csv(partial, index=False))


def _indices_of(wanted: Int, ids: Int) -> Int:
    """(n,) the index of each wanted id in the ascending `ids`, -1 if it is not there."""
    index = np.searchsorted(ids, wanted).clip(max=len(ids) - 1)
    return np.where(ids[index] == wanted, index, -1)
