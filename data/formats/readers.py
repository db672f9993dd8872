"""Reads a folder of ratings in any of MovieLens' formats, with the films' titles and genres.

Good files take pandas' fast parser. Whatever it might misread goes to an exact parser that is
some twenty times slower, and that either reads the file or names the line at fault.
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
from .tables import ID_REMEDY, LAST_SECOND, Table

_CHUNK_BYTES = 1 << 24
_EXACT_IN_FLOAT = 2**53  # pandas reads 1.0 as a whole number by way of float64


class Format(NamedTuple):
    """How a ratings' file is written, and which file tells of its films."""

    separator: str
    films: str
    example: str  # a line


FORMATS = {
    "ratings.csv": Format(",", "movies.csv", "1,296,4.5"),
    "ratings.dat": Format("::", "movies.dat", "1::296::4.5::964982703"),
    "u.data": Format("\t", "u.item", "1<tab>296<tab>4<tab>964982703"),
}


# All that `read_folder` may look at.
SOURCE_FILES = (*FORMATS, *(form.films for form in FORMATS.values()), "u.genre")


def read_folder(folder: Path) -> Ratings:
    """The ratings of `folder`, with titles, years and genres where it holds the films' file.

    Args:
        folder: holds ratings.csv (userId, movieId, rating and maybe timestamp, in any order),
            ratings.dat or u.data (the same in this order, without a header), the first of them
            that is there; and maybe, of the same format, movies.csv (movieId, title, genres),
            movies.dat or u.item. Films are those that are rated; what their file leaves out has
            the title "" and no genre.

    Raises:
        DataError: names file, line, value and remedy.
    """
    table = ratings_table(folder)
    form = FORMATS[table.path.name]
    columns = _read_fast(table) or _read_exactly(table)
    if not len(columns.rating):
        below = " below its header" if table.has_header else ""
        raise DataError(f"{table.path} holds no rating{below}; add a line such as {form.example}")

    user, user_ids = pd.factorize(columns.user_id, sort=True)
    film, film_ids = pd.factorize(columns.film_id, sort=True)
    pair = user.astype(np.int64) * len(film_ids) + film
    order = None if (pair[1:] > pair[:-1]).all() else np.argsort(pair, kind="stable")
    if order is not None and (np.diff(pair[order]) == 0).any():
        raise _duplicate(table)
    ratings = Ratings(
        name=folder.resolve().name,
        user_ids=np.asarray(user_ids, np.int64),
        films=read_films(folder / form.films, np.asarray(film_ids, np.int64)),
        user=user.astype(np.int64),
        film=film.astype(np.int64),
        rating=columns.rating,
        timestamp=columns.timestamp,
        scale=Scale(float(columns.rating.min()), float(columns.rating.max())),
        folder=folder,
    )
    return ratings if order is None else ratings.take(order)


def ratings_table(folder: Path) -> Table:
    """The ratings' file of `folder`, of which no more is read than its first line.

    Raises:
        DataError: no folder, none of the files, or one that does not begin as it should.
    """
    if not is_folder(folder):
        raise DataError(
            f"no folder {str(folder)!r}; name one that holds ratings.csv, ratings.dat or u.data"
        )
    name = next((name for name in FORMATS if (folder / name).exists()), None)
    if name is None:
        raise DataError(
            f"{folder} holds no ratings.csv, ratings.dat or u.data; put a ratings.csv there with "
            "the columns userId,movieId,rating,timestamp, and maybe a movies.csv with "
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
    """The columns by pandas, or None if anything is unusual, be it right or wrong."""
    # Pandas is fast with separators of one character: it takes `1::2` for `1`, nothing and `2`.
    step = len(table.separator)
    n_fields = step * (len(table.names) - 1) + 1
    places = {name: step * at for name, at in table.columns.items()}
    types = {at: np.float64 if name == "rating" else np.int64 for name, at in places.items()}
    try:
        with table.path.open("rb") as file:
            if not _is_plain(file, table):
                return None
        with np.errstate(invalid="ignore"):  # casts beyond int64; they fail the check below
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
    # IndexError: what pandas makes of a file without a row.
    except (ValueError, OverflowError, IndexError, OSError):
        return None
    columns = {name: frame[at].to_numpy() for name, at in places.items()}
    with np.errstate(over="ignore"):
        rating = columns.pop("rating").astype(np.float32)
    whole = all(((v > -_EXACT_IN_FLOAT) & (v < _EXACT_IN_FLOAT)).all() for v in columns.values())
    timestamp = columns.get("timestamp")
    in_time = timestamp is None or ((timestamp >= 0) & (timestamp <= LAST_SECOND)).all()
    if not (whole and in_time and np.isfinite(rating).all()):
        return None
    return _Columns(columns["userId"], columns["movieId"], rating, timestamp)


def _is_plain(file: BinaryIO, table: Table) -> bool:
    """Whether all is ASCII below the header, without quotes or blank lines, and no line ragged.

    Pandas fills short lines, cuts long ones and stops at NUL bytes, all without a word.
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
    # The colons of a pair must touch: `1:::2:3` has as many of them as `1::2::3`.
    places = np.flatnonzero(marked).reshape(-1, marks_per_line)[:, :-1]
    return bool((places[:, 1::2] - places[:, ::2] == 1).all())


def _read_exactly(table: Table) -> _Columns:
    """The columns by Python, or the first line at fault."""
    user_id, film_id, rating, timestamp = array("q"), array("q"), array("f"), array("q")
    timed = "timestamp" in table.columns
    for row in table.rows():
        user_id.append(table.whole_number(row, "userId", ID_REMEDY))
        film_id.append(table.whole_number(row, "movieId", ID_REMEDY))
        rating.append(table.stars(row, "rating"))
        if timed:
            timestamp.append(table.second(row, "timestamp"))
    return _Columns(
        np.array(user_id, np.int64),
        np.array(film_id, np.int64),
        np.array(rating, np.float32),
        np.array(timestamp, np.int64) if timed else None,
    )


def _duplicate(table: Table) -> DataError:
    """Names the first line that rates a film again."""
    first_line: dict[tuple[int, int], int] = {}
    for row in table.rows():
        user_id = table.whole_number(row, "userId", ID_REMEDY)
        film_id = table.whole_number(row, "movieId", ID_REMEDY)
        earlier = first_line.setdefault((user_id, film_id), row.line)
        if earlier != row.line:
            return DataError(
                f"{table.at(row.line)}: user {user_id} rates film {film_id} again, "
                f"first on line {earlier}; keep one of the two"
            )
    raise AssertionError("called without a duplicate")
