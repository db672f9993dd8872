"""Ids of users and films: whole numbers, or text as it stands in the file."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..ratings import Ids, Int
from .columns import quoted_name

MAX_LENGTH = 256  # the longest id sets the width of an array; a stray quote could exhaust memory
# Of a column's distinct ids. If fewer are not numbers, they are taken for mistakes.
MIN_TEXT_SHARE = 0.01
REMEDY = "write an id such as 17"

_WHOLE = re.compile(r"([+-]?)(0|[1-9][0-9]*)(\.0*)?")
_FRACTION = re.compile(r"[+-]?[0-9]*\.[0-9]+")
_ROUNDED = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)[eE][+-]?[0-9]+")
_UNMISTAKABLY_ROUNDED = re.compile(r"[+-]?([0-9]+\.[0-9]*[eE][+-]?|[0-9]+[eE][+-])[0-9]+")
INT64 = np.iinfo(np.int64)


class Labels(NamedTuple):
    """A column as positions in a list of its distinct values.

    Attributes:
        codes: (n,) positions in `values`.
        values: each distinct value once: whole numbers, or text as it is in the file.
    """

    codes: Int
    values: Int | Sequence[str]


class LabelsBuilder:
    """Labels of text, collected row by row."""

    def __init__(self) -> None:
        self._codes = array("q")
        self._code_of: dict[str, int] = {}

    def append(self, value: str) -> None:
        self._codes.append(self._code_of.setdefault(value, len(self._code_of)))

    def labels(self) -> Labels:
        return Labels(np.array(self._codes, np.int64), list(self._code_of))


class Column(NamedTuple):
    """How messages refer to a column.

    Attributes:
        name: the column's name in the file.
        place: the place of a row, such as `ratings.csv line 7`.
    """

    name: str
    place: Callable[[int], str]

    def error(self, row: int, problem: str, remedy: str) -> DataError:
        return DataError(f"{self.place(row)}: {self.name} {problem}; {remedy}")


class ResolvedIds(NamedTuple):
    """A column's ids.

    Attributes:
        codes: (n,) positions in `ids`.
        ids: ascending, without duplicates; int64, or str if they are text.
        note: a sentence on a column that is read as text although most ids are numbers.
    """

    codes: Int
    ids: Ids
    note: str | None = None


def resolve_ids(labels: Labels, column: Column) -> ResolvedIds:
    """The ids of a column: int64 if all are whole numbers, text if over 1% are not.

    `17`, `+17` and `17.0` are one whole number; `017` is text, because it may differ from `17`.

    Raises:
        DataError: names the line of an id that is empty, too long, rounded by a spreadsheet
            (`1.23E+11`), or among the few that are not whole numbers.
    """
    if isinstance(labels.values, np.ndarray):
        return _sorted(labels.codes, labels.values)
    texts = [value.strip() for value in labels.values]
    whole = [_whole_number(text) for text in texts]
    odd = np.array([number is None for number in whole])
    share = odd.mean() if len(odd) else 0.0
    _check(labels, texts, odd, column, as_text=share > MIN_TEXT_SHARE)
    if not odd.any():
        return _sorted(labels.codes, np.array(whole, np.int64))
    note = None
    if share < 0.5:
        row = _first_row(labels.codes, odd)
        text = quoted_name(texts[labels.codes[row]])
        note = (
            f"the ids in {column.name} are read as text, because of {text} ({column.place(row)}); "
            "fix it if they should be numbers"
        )
    return _sorted(labels.codes, np.array(texts, np.str_), note)


def whole_number(text: str, location: str, name: str, remedy: str = REMEDY) -> int:
    """A whole number where a file must have one; leading zeros are allowed.

    Raises:
        DataError: it is not a whole number of 64 bits.
    """
    number = _whole_number(text.lstrip("0") or "0" if text.isdigit() else text)
    if number is None:
        problem = "is empty" if not text else f"{quoted_name(text)} is not a whole number"
        raise DataError(f"{location}: {name} {problem}; {remedy}")
    return number


def _check(
    labels: Labels, texts: list[str], odd: NDArray[np.bool_], column: Column, *, as_text: bool
) -> None:
    """Raise the error of the first row with an id that cannot be kept as it is."""
    problems: dict[int, tuple[str, str]] = {}
    for code in np.flatnonzero(odd):
        if problem := _problem(texts[code], as_text=as_text):
            problems[int(code)] = problem
    if not problems:
        return
    wrong = np.zeros(len(texts), bool)
    wrong[list(problems)] = True
    row = _first_row(labels.codes, wrong)
    raise column.error(row, *problems[int(labels.codes[row])])


def _problem(text: str, *, as_text: bool) -> tuple[str, str] | None:
    """What is wrong with an id that is not a whole number, and the remedy."""
    if not text:
        return "is empty", REMEDY
    if len(text) > MAX_LENGTH:
        return (
            f"{quoted_name(text)} has {len(text)} characters, the maximum is {MAX_LENGTH}",
            "shorten it, or close its quotes",
        )
    rounded = _UNMISTAKABLY_ROUNDED if as_text else _ROUNDED
    if rounded.fullmatch(text):
        return (
            f"{quoted_name(text)} is rounded, as spreadsheets write long numbers",
            "export the ids again, in full",
        )
    if _FRACTION.fullmatch(text) or not as_text:
        return f"{quoted_name(text)} is not a whole number", REMEDY
    return None


def _whole_number(text: str) -> int | None:
    match = _WHOLE.fullmatch(text)
    if match is None or len(match[2]) > 19:
        return None
    number = int(match[1] + match[2])
    return number if INT64.min <= number <= INT64.max else None


def _first_row(codes: Int, wanted: NDArray[np.bool_]) -> int:
    return int(np.argmax(wanted[codes]))


def _sorted(codes: Int, ids: NDArray[Any], note: str | None = None) -> ResolvedIds:
    """The ids in ascending order, without duplicates, and the codes that belong to them."""
    unique, place = np.unique(ids, return_inverse=True)
    if len(unique) == len(ids) and (place[1:] > place[:-1]).all():
        return ResolvedIds(codes, unique, note)
    return ResolvedIds(place[codes], unique, note)
