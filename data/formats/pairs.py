"""Reads the pairs whose ratings are asked for, and writes the answers."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...base.files import write_whole
from ...errors import DataError
from ..ratings import Int, Ratings
from .tables import ID_REMEDY, Table


class AskedPairs(NamedTuple):
    """Attributes: user_id, film_id: (n,); timestamp: (n,) seconds since 1970, or None."""

    user_id: Int
    film_id: Int
    timestamp: Int | None

    def indices(self, ratings: Ratings) -> tuple[Int, Int]:
        """User and film indices (n,) in the dataset, -1 where it does not hold them."""
        return _find(self.user_id, ratings.user_ids), _find(self.film_id, ratings.films.ids)


def read_pairs(path: Path) -> AskedPairs:
    """Reads `userId,movieId[,timestamp]`, columns in any order, pairs twice as well as once.

    Raises:
        DataError: names file, line, value and remedy.
    """
    table = Table(path, ("userId", "movieId"), ("timestamp",))
    has_times = "timestamp" in table.columns
    users, films, times = [], [], []
    for row in table.rows():
        users.append(table.whole_number(row, "userId", ID_REMEDY))
        films.append(table.whole_number(row, "movieId", ID_REMEDY))
        if has_times:
            times.append(table.second(row, "timestamp"))
    if not users:
        raise DataError(f"{path} asks for no pair; add a line such as 1,296")
    timestamp = np.array(times, np.int64) if has_times else None
    return AskedPairs(np.array(users, np.int64), np.array(films, np.int64), timestamp)


def write_predictions(
    path: Path, asked: AskedPairs, rating: NDArray[np.float32], known: NDArray[np.bool_]
) -> None:
    """Writes `userId,movieId,rating,known` in the order of the pairs, all or nothing.

    Raises:
        OutputError: the file cannot be written.
    """
    table = pd.DataFrame(
        {
            "userId": asked.user_id,
            "movieId": asked.film_id,
            "rating": rating.round(4),
            "known": np.where(known, "true", "false"),
        }
    )
    write_whole(path, lambda partial: table.to_csv(partial, index=False))


def _find(wanted: Int, ids: Int) -> Int:
    """(n,) the place of each wanted id in the ascending ids, -1 where it is not among them."""
    place = np.searchsorted(ids, wanted).clip(max=len(ids) - 1)
    return np.where(ids[place] == wanted, place, -1)
