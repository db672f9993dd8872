"""Reads (user, film) pairs to predict, and writes the predictions."""

from __future__ import annotations

import shutil
import sys
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...base.files import can_be_read, is_file, write_output
from ...errors import DataError
from ..ratings import Ids, Int, Ratings
from ..tables.columns import ITEM, TIMESTAMP, USER, ReadOptions
from ..tables.ids import Column, LabelsBuilder, resolve_ids
from ..tables.sources import Source
from ..tables.table import companion_table
from ..tables.times import resolve_times

STDIN = "-"


class UserFilmPairs(NamedTuple):
    """Pairs whose rating is to be predicted.

    Attributes:
        user_id, film_id: (n,), whole numbers or text.
        timestamp: (n,) seconds since 1970, or None.
        place: where a pair is, such as `pairs.csv line 7`.
    """

    user_id: Ids
    film_id: Ids
    timestamp: Int | None
    place: Callable[[int], str] = lambda row: f"pair {row + 1}"

    def indices(self, ratings: Ratings) -> tuple[Int, Int]:
        """User and film indices (n,) in the dataset, -1 for unknown ids.

        Raises:
            DataError: an id is text, and the dataset's ids are whole numbers.
        """
        return (
            self._indices_of(self.user_id, ratings.user_ids, USER.name),
            self._indices_of(self.film_id, ratings.films.ids, ITEM.name),
        )

    def _indices_of(self, wanted: Ids, ids: Ids, name: str) -> Int:
        """(n,) the index of each wanted id in the ascending `ids`, -1 if it is not there."""
        if ids.dtype.kind == "U":
            wanted = wanted.astype(np.str_)
        elif wanted.dtype.kind == "U":
            row = next(row for row, text in enumerate(wanted.tolist()) if not text.isdecimal())
            raise DataError(
                f"{self.place(row)}: {name} {wanted[row].item()!r} is not a whole number, as the "
                "dataset's ids are; write an id such as 17"
            )
        index = np.searchsorted(ids, wanted).clip(max=len(ids) - 1)
        return np.where(ids[index] == wanted, index, -1)


def read_pairs(path: Path, options: ReadOptions | None = None) -> UserFilmPairs:
    """Read `userId,movieId[,timestamp]`, with columns in any order; pairs may repeat.

    Args:
        path: a file, compressed or not, or a FIFO; `-` is stdin.
        options: its `columns` may name the columns, as for the dataset.

    Raises:
        DataError: names the file, the line, the value and the remedy.
    """
    with _as_file(path) as source:
        table = companion_table(source, (USER, ITEM), (TIMESTAMP,), options or ReadOptions())
        builders = {name: LabelsBuilder() for name in table.columns}
        lines = array("q")
        for row in table.rows():
            for name, builder in builders.items():
                builder.append(table.field(row, name))
            lines.append(row.line)
    if not lines:
        raise DataError(f"{source} has no pairs; add a line such as 1,296")

    def place(row: int) -> str:
        return table.location(lines[row])

    labels = {name: builder.labels() for name, builder in builders.items()}
    columns = {name: Column(table.label(name), place) for name in labels}
    user, film = (resolve_ids(labels[name], columns[name]) for name in (USER.name, ITEM.name))
    timestamp = None
    if TIMESTAMP.name in labels:
        timestamp = resolve_times(labels[TIMESTAMP.name], columns[TIMESTAMP.name])
    return UserFilmPairs(user.ids[user.codes], film.ids[film.codes], timestamp, place)


@contextmanager
def _as_file(path: Path) -> Iterator[Source]:
    """The file, or a copy of what can be read only once: a FIFO, or stdin."""
    is_stdin = str(path) == STDIN
    if not is_stdin and (is_file(path) or not can_be_read(path)):
        yield Source(path)
        return
    with NamedTemporaryFile(suffix=".csv") as copy:
        if is_stdin:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            with path.open("rb") as stream:
                shutil.copyfileobj(stream, copy)
        copy.flush()
        yield Source(Path(copy.name), label="stdin" if is_stdin else str(path))


def write_predictions(
    path: Path,
    pairs: UserFilmPairs,
    rating: NDArray[np.float32],
    known: NDArray[np.bool_],
    std: NDArray[np.float32] | None = None,
) -> None:
    """Write `userId,movieId,rating,known` in the order of the pairs, and `std` if it is given.

    Args:
        path: where to, as for `write_output`.
        rating, known, std: (n,), as `Run.predict` returns them.

    Raises:
        OutputError: the file cannot be written.
    """
    table = pd.DataFrame(
        {
            "userId": pairs.user_id,
            "movieId": pairs.film_id,
            "rating": rating.round(4),
            "known": np.where(known, "true", "false"),
            **({} if std is None else {"std": std.round(4)}),
        }
    )
    write_output(path, lambda stream: table.to_csv(stream, index=False, lineterminator="\n"))
