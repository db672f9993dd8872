"""Reads the ratings of a text file, one per line.

Plain files go through pandas' fast parser. Any file that pandas might misread goes to an exact
parser, about twenty times slower, which either reads the file or names the invalid line.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Callable
from enum import Enum
from typing import IO, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import DataError
from ..ratings import Float, Int
from ..tables.columns import ITEM, RATING, TIMESTAMP, USER
from ..tables.ids import Labels, LabelsBuilder
from ..tables.labels import labels_of
from ..tables.table import Table

_CHUNK_BYTES = 1 << 24
_MAX_DIGITS = 18  # that always fit in 64 bits
_EXACT_IN_FLOAT = 2**53  # pandas converts 1.0 to an integer through float64
_ZERO, _NINE, _POINT, _NEWLINE = map(ord, "09.\n")


class RawRatings(NamedTuple):
    """The columns of a file, before ids and times are resolved.

    Attributes:
        user, film: (n,) ids.
        rating: (n,) finite.
        timestamp: (n,) in any unit, as numbers or as text; None if the file has none.
        labels: MovieLens' name of a column -> the file's own, for messages.
        place: where a row is, such as `ratings.csv line 7`.
    """

    user: Labels
    film: Labels
    rating: Float
    timestamp: Labels | Int | None
    labels: dict[str, str]
    place: Callable[[int], str]


def read_text(table: Table) -> RawRatings:
    """The ratings of a table.

    Raises:
        DataError: names the line, the value and the remedy.
    """
    return read_fast(table) or read_exactly(table)


class _Plain(Enum):
    """What pandas can read without silently changing a value."""

    NO = "no"
    TEXT = "text"  # as long as ids and times are read as text
    NUMBERS = "numbers"


def read_fast(table: Table) -> RawRatings | None:
    """The columns read by pandas, or None if anything is unusual, valid or not."""
    try:
        with table.source.open() as file:
            plain = _inspect(file, table)
        if plain is _Plain.NO:
            return None
        columns = _parse_numbers(table) if plain is _Plain.NUMBERS else None
        columns = columns or _parse(table, str)
    except (DataError, ValueError, OverflowError, IndexError):
        return None
    with np.errstate(over="ignore"):
        rating = columns.pop(RATING.name).to_numpy().astype(np.float32)
    if not np.isfinite(rating).all():
        return None
    first = table.first_line
    return _raw(
        table,
        {name: labels_of(columns[name]) for name in (USER.name, ITEM.name)},
        rating,
        _times(columns.get(TIMESTAMP.name)),
        lambda row: table.location(row + first),
    )


def read_exactly(table: Table) -> RawRatings:
    """The columns read line by line; raises DataError for the first invalid line."""
    builders = {name: LabelsBuilder() for name in table.columns if name != RATING.name}
    rating, lines = array("f"), array("q")
    for row in table.rows():
        for name, builder in builders.items():
            builder.append(table.field(row, name))
        rating.append(table.rating(row, RATING.name))
        lines.append(row.line)
    labels = {name: builder.labels() for name, builder in builders.items()}
    return _raw(
        table,
        labels,
        np.array(rating, np.float32),
        labels.get(TIMESTAMP.name),
        lambda row: table.location(lines[row]),
    )


def _raw(
    table: Table,
    labels: dict[str, Labels],
    rating: Float,
    timestamp: Labels | Int | None,
    place: Callable[[int], str],
) -> RawRatings:
    return RawRatings(
        user=labels[USER.name],
        film=labels[ITEM.name],
        rating=rating,
        timestamp=timestamp,
        labels={name: table.label(name) for name in table.columns},
        place=place,
    )


def _times(column: pd.Series[Any] | None) -> Labels | Int | None:
    """Times that are numbers stay as they are: almost all differ."""
    if column is None:
        return None
    if pd.api.types.is_integer_dtype(column.dtype):
        return np.asarray(column, np.int64)
    if column.str.isdecimal().all() and column.str.len().max() <= _MAX_DIGITS:
        return np.asarray(column.astype(np.int64), np.int64)
    return labels_of(column)


def _parse_numbers(table: Table) -> dict[str, pd.Series[Any]] | None:
    """The columns with ids and times as int64; None if a value does not fit."""
    try:
        columns = _parse(table, np.int64)
    except (ValueError, OverflowError):
        return None
    whole = [column for name, column in columns.items() if name != RATING.name]
    exact = all(((v > -_EXACT_IN_FLOAT) & (v < _EXACT_IN_FLOAT)).all() for v in whole)
    return columns if exact else None


def _parse(table: Table, kind: type) -> dict[str, pd.Series[Any]]:
    """The columns by MovieLens' name, ratings as float64 and all others as `kind`."""
    # Pandas is fast only with one-character separators, so `1::2` is read as `1`, nothing and `2`.
    step = len(table.separator)
    positions = {name: step * i for name, i in table.columns.items()}
    types = {i: np.float64 if name == RATING.name else kind for name, i in positions.items()}
    with table.source.open() as file, np.errstate(invalid="ignore"):  # casts that overflow int64
        frame = pd.read_csv(
            file,
            sep=table.separator[0],
            header=None,
            names=list(range(step * (len(table.names) - 1) + 1)),
            index_col=False,
            skiprows=int(table.has_header),
            usecols=list(types),
            dtype=types,
            na_filter=False,
            quoting=csv.QUOTE_NONE,
        )
    return {name: frame[i] for name, i in positions.items()}


def _inspect(file: IO[bytes], table: Table) -> _Plain:
    """Whether all lines below the header are ASCII without quotes, none blank, short or long.

    Pandas fills short lines, cuts long ones and stops at NUL bytes, all silently. As a number it
    reads 1e3 as 1000, 007 as 7 and .0 as 0.
    """
    if table.has_header:
        file.readline()
    rest, plain = b"", _Plain.NUMBERS
    while chunk := file.read(_CHUNK_BYTES):
        lines, newline, rest = (rest + chunk).rpartition(b"\n")
        plain = _worse(plain, _inspect_lines(lines + newline, table))
        if plain is _Plain.NO:
            return plain
    return _worse(plain, _inspect_lines(rest + b"\n", table)) if rest else plain


def _worse(first: _Plain, second: _Plain) -> _Plain:
    return min(first, second, key=list(_Plain).index)


def _inspect_lines(lines: bytes, table: Table) -> _Plain:
    bare_returns = lines.count(b"\r") - lines.count(b"\r\n")
    if not lines.isascii() or b'"' in lines or b"\0" in lines or bare_returns:
        return _Plain.NO
    step = len(table.separator)
    marks_per_line = step * (len(table.names) - 1) + 1
    characters = np.frombuffer(lines, np.uint8)
    ends = characters == _NEWLINE
    marked = ends | (characters == ord(table.separator[0]))
    marks = ends[marked]
    if len(marks) % marks_per_line:
        return _Plain.NO
    by_line = marks.reshape(-1, marks_per_line)
    if not by_line[:, -1].all() or by_line[:, :-1].any():
        return _Plain.NO
    positions = np.flatnonzero(marked).reshape(-1, marks_per_line)
    if step > 1:
        # The two colons of a separator must be adjacent: `1:::2:3` has as many as `1::2::3`.
        inner = positions[:, :-1]
        if not (inner[:, 1::2] - inner[:, ::2] == 1).all():
            return _Plain.NO
    if b"e" in lines or b"E" in lines or _starts_oddly(characters, positions, table):
        return _Plain.TEXT
    return _Plain.NUMBERS


def _starts_oddly(characters: NDArray[np.uint8], marks: Int, table: Table) -> bool:
    """Whether an id or time starts with a zero before another digit, or with a point.

    Args:
        marks: (lines, separators and newline) positions of each.
    """
    step = len(table.separator)
    padded = np.concatenate([characters, np.full(2, _NEWLINE, np.uint8)])
    for i in (step * column for name, column in table.columns.items() if name != RATING.name):
        start = np.insert(marks[:-1, -1] + 1, 0, 0) if i == 0 else marks[:, i - 1] + 1
        start = start + np.isin(padded[start], (ord("+"), ord("-")))
        first, second = padded[start], padded[start + 1]
        has_zero = (first == _ZERO) & (second >= _ZERO) & (second <= _NINE)
        if (has_zero | (first == _POINT)).any():
            return True
    return False
