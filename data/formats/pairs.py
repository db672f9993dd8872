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

from ...base.files import is_file, write_output
from ...errors import DataError
from ..ratings import Ids, Int, Ratings
from ..tables.columns import ITEM, TIMESTAMP, USER, ReadOptions
from ..tables.ids import Column, Labels, resolve_ids
from ..tables.sources import Source
from ..tables.table import Table
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
        table = _table(source, options or ReadOptions())
        names = [name for name in (USER.name, ITEM.name, TIMESTAMP.name) if name in table.columns]
        values: dict[str, dict[str, int]] = {name: {} for name in names}
        codes = {name: array("q") for name in names}
        lines = array("q")
        for row in table.rows():
            for name in names:
                known = values[name]
                codes[name].append(known.setdefault(table.field(row, name), len(known)))
            lines.append(row.line)
    if not lines:
        raise DataError(f"{source} has no pairs; add a line such as 1,296")

    def place(row: int) -> str:
        return table.location(lines[row])

    labels = {name: Labels(np.array(codes[name], np.int64), list(values[name])) for name in names}
    columns = {name: Column(table.label(name), place) for name in names}
    user, film = (resolve_ids(labels[name], columns[name]) for name in (USER.name, ITEM.name))
    timestamp = None
    if TIMESTAMP.name in names:
        timestamp = resolve_times(labels[TIMESTAMP.name], columns[TIMESTAMP.name])
    return UserFilmPairs(user.ids[user.codes], film.ids[film.codes], timestamp, place)


def _table(source: Source, options: ReadOptions) -> Table:
    """The pairs' columns under the dataset's names of them, or else under well-known names."""
    roles = (USER, ITEM), (TIMESTAMP,)
    chosen = {key: name for key, name in options.columns.items() if key != "rating"}
    if chosen and not any(name.isdigit() for name in chosen.values()):
        try:
            return Table.with_header(source, *roles, chosen)
        except DataError:
            pass  # a file of its own making, with MovieLens' names
    return Table.with_header(source, *roles)


@contextmanager
def _as_file(path: Path) -> Iterator[Source]:
    """The file, or a copy of what can be read only once: a FIFO, or stdin."""
    if str(path) != STDIN and (is_file(path) or not path.exists() or path.is_dir()):
        yield Source(path)
        return
    label = "stdin" if str(path) == STDIN else str(path)
    with NamedTemporaryFile(suffix=".csv") as copy:
        if str(path) == STDIN:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            with path.open("rb") as stream:
                shutil.copyfileobj(stream, copy)
        copy.flush()
        yield Source(Path(copy.name), label=label)


def write_predictions(
    path: Path, pairs: UserFilmPairs, rating: NDArray[np.float32], known: NDArray[np.bool_]
) -> None:
    """Write `userId,movieId,rating,known` in the order of the pairs.

    Args:
        path: where to, as for `write_output`.
        rating, known: (n,), as `Run.predict` returns them.

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
    write_output(path, lambda stream: table.to_csv(stream, index=False, lineterminator="\n"))
