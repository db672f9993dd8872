"""Reads a folder of ratings in any of MovieLens' formats, with the films' titles and genres.

Plain files go through pandas' fast parser. Any file that pandas might misread goes to an exact
parser, about twenty times slower, which either reads the file or names the invalid line.
"""

from __future__ import annotations

import csv
from array import array
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pandas as pd

from ...base.files import is_folder
from ...errors import DataError
from ..ratings import Float, Int, Ratings, Scale
from .films import read_films
from .tables import ID_REMEDY, MAX_TIMESTAMP, Table

_CHUNK_BYTES = 1 << 24
_EXACT_IN_FLOAT = 2**53  # pandas converts 1.0 to an integer through float64


class Format(NamedTuple):
    """How a ratings file is written, and which file describes its films."""

    separator: str
    films: str
    example: str  # of a line


FORMATS = {
    "ratings.csv": Format(",", "movies.csv", "1,296,4.5"),
    "ratings.dat": Format("::", "movies.dat", "1::296::4.5::964982703"),
    "u.data": Format("\t", "u.item", "1<tab>296<tab>4<tab>964982703"),
}


# All files that `read_folder` may read.
SOURCE_FILES = (*FORMATS, *(file_format.films for file_format in FORMATS.values()), "u.genre")


def read_folder(folder: Path) -> Ratings:
    """The ratings in `folder`, with titles, years and genres if it has the films' file.

    Args:
        folder: contains ratings.csv (userId, movieId, rating and optionally timestamp, in any
            order), ratings.dat or u.data (the same columns in this order, without a header); the
            first of them that exists is read. Optionally it contains the films' file of the same
            format: movies.csv (movieId, title, genres), movies.dat or u.item. Only rated films
            are kept; a rated film missing from that file has the title "" and no genre.

    Raises:
        DataError: names the file, the line, the value and the remedy.
    """
    table = ratings_table(folder)
    file_format = FORMATS[table.path.name]
    columns = _read_fast(table) or _read_exactly(table)
    if not len(columns.rating):
        below = " below its header" if table.has_header else ""
        raise DataError(
            f"{table.path} has no ratings{below}; add a line such as {file_format.example}"
        )

    user, user_ids = pd.factorize(columns.user_id, sort=True)
    film, film_ids = pd.factorize(columns.film_id, sort=True)
    pair = user.astype(np.int64) * len(film_ids) + film
    order = None if (pair[1:] > pair[:-1]).all() else np.argsort(pair, kind="stable")
    if order is not None and (np.diff(pair[order]) == 0).any():
        raise _duplicate_error(table)
    ratings = Ratings(
        name=folder.resolve().name,
        user_ids=np.asarray(user_ids, np.int64),
        films=read_films(folder / file_format.films, np.asarray(film_ids, np.int64)),
        user=user.astype(np.int64),
        film=film.astype(np.int64),
        rating=columns.rating,
        timestamp=columns.timestamp,
        scale=Scale(float(columns.rating.min()), float(columns.rating.max())),
        folder=folder,
    )
    return ratings if order is None else ratings.take(order)


def ratings_table(folder: Path) -> Table:
    """The ratings file in `folder`, of which only the first line is read.

    Raises:
        DataError: the folder or the file does not exist, or its first line is invalid.
    """
    if not is_folder(folder):
        raise DataError(
            f"no folder {str(folder)!r}; name one with ratings.csv, ratings.dat or u.data"
        )
    name = next((name for name in FORMATS if (folder / name).exists()), None)
    if name is None:
        raise DataError(
            f"{folder} has no ratings.csv, ratings.dat or u.data; add a ratings.csv with the "
            "columns userId,movieId,rating,timestamp, and optionally a movies.csv with "
            "movieId,title,genres"
        )
    columns = ("userId", "movieId", "rating")
    return Table(folder / name, columns, ("timestamp",), separator=FORMATS[name].separator)


class _Columns(NamedTuple):
    user_id: Int
    film_id: Int
    rating: Float
    timestamp: Int | None


def _read_fast(table: Table) -> _Columns | None:
    """The columns read by pandas, or None if anything is unusual, valid or not."""
    # Pandas is fast only with one-character separators, so `1::2` is read as `1`, nothing and `2`.
    step = len(table.separator)
    n_fields = step * (len(table.names) - 1) + 1
    positions = {name: step * i for name, i in table.columns.items()}
    types = {i: np.float64 if name == "rating" else np.int64 for name, i in positions.items()}
    try:
        with table.path.open("rb") as file:
            if not _is_plain(file, table):
                return None
        with np.errstate(invalid="ignore"):  # casts that overflow int64 fail the check below
            frame = pd.read_csv(
                table.path,
                sep=table.separator[0],
                header=None,
                names=list(range(n_fields)),
                index_col=False,
                skiprows=int(table.has_header),
                usecols=list(types),
                dtype=types,
                na_filter=False,
                quoting=csv.QUOTE_NONE,
            )
    # IndexError: pandas raises it for a file without rows.
    except (ValueError, OverflowError, IndexError, OSError):
        return None
    columns = {name: frame[i].to_numpy() for name, i in positions.items()}
    with np.errstate(over="ignore"):
        rating = columns.pop("rating").astype(np.float32)
    exact = all(((v > -_EXACT_IN_FLOAT) & (v < _EXACT_IN_FLOAT)).all() for v in columns.values())
    timestamp = columns.get("timestamp")
    times_valid = timestamp is None or ((timestamp >= 0) & (timestamp <= MAX_TIMESTAMP)).all()
    if not (exact and times_valid and np.isfinite(rating).all()):
        return None
    return _Columns(columns["userId"], columns["movieId"], rating, timestamp)


def _is_plain(file: BinaryIO, table: Table) -> bool:
    """Whether all lines below the header are ASCII without quotes, none blank, short or long.

    Pandas fills short lines, cuts long ones and stops at NUL bytes, all silently.
    """
    if table.has_header:
        file.readline()
    rest = b""
    while chunk := file.read(_CHUNK_BYTES):
        lines, newline, rest = (rest + chunk).rpartition(b"\n")
        if not _chunk_is_plain(lines + newline, table):
            return False
    return not rest or _chunk_is_plain(rest + b"\n", table)


def _chunk_is_plain(lines: bytes, table: Table) -> bool:
    bare_returns = lines.count(b"\r") - lines.count(b"\r\n")
    if not lines.isascii() or b'"' in lines or b"\0" in lines or bare_returns:
        return False
    step = len(table.separator)
    marks_per_line = step * (len(table.names) - 1) + 1
    characters = np.frombuffer(lines, np.uint8)
    ends = characters == ord("\n")
    marked = ends | (characters == ord(table.separator[0]))
    marks = ends[marked]
    if len(marks) % marks_per_line:
        return False
    by_line = marks.reshape(-1, marks_per_line)
    if not by_line[:, -1].all() or by_line[:, :-1].any():
        return False
    if step == 1:
        return True
    # The two colons of a separator must be adjacent: `1:::2:3` has as many colons as `1::2::3`.
    positions = np.flatnonzero(marked).reshape(-1, marks_per_line)[:, :-1]
    return bool((positions[:, 1::2] - positions[:, ::2] == 1).all())


def _read_exactly(table: Table) -> _Columns:
    """The columns read line by line; raises DataError for the first invalid line."""
    user_id, film_id, rating, timestamp = array("q"), array("q"), array("f"), array("q")
    has_times = "timestamp" in table.columns
    for row in table.rows():
        user_id.append(table.whole_number(row, "userId", ID_REMEDY))
        film_id.append(table.whole_number(row, "movieId", ID_REMEDY))
        rating.append(table.rating(row, "rating"))
        if has_times:
            timestamp.append(table.timestamp(row, "timestamp"))
    return _Columns(
        np.array(user_id, np.int64),
        np.array(film_id, np.int64),
        np.array(rating, np.float32),
        np.array(timestamp, np.int64) if has_times else None,
    )


def _duplicate_error(table: Table) -> DataError:
    """The error for the first line that repeats a user and film."""
    first_line: dict[tuple[int, int], int] = {}
    for row in table.rows():
        user_id = table.whole_number(row, "userId", ID_REMEDY)
        film_id = table.whole_number(row, "movieId", ID_REMEDY)
        earlier = first_line.setdefault((user_id, film_id), row.line)
        if earlier != row.line:
            return DataError(
                f"{table.location(row.line)}: user {user_id} already rated film {film_id} "
                f"on line {earlier}; keep one of the two"
            )
    raise AssertionError("the table has no duplicate")
