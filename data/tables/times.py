"""Times of ratings in seconds since 1970, from what files have: other units, and dates."""

from __future__ import annotations

import re
from decimal import Decimal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..ratings import Int
from .columns import quoted_name
from .ids import Column, Labels

REMEDY = (
    "write seconds since 1970 such as 964982703, or a date such as 2000-07-30 18:45:03, or leave "
    "the times out with --columns timestamp=-"
)

# Smallest value -> units in a second. In seconds these values would be after the year 5000.
_UNITS = {10**17: 10**9, 10**14: 10**6, 10**11: 10**3}
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE]\+?[0-9]{1,2})?")
_COMPACT_DATES = 19_700_101, 20_991_231


def resolve_times(labels: Labels | Int, column: Column) -> Int:
    """(n,) whole seconds since 1970.

    Numbers are seconds, or milli-, micro- or nanoseconds if they are too large for seconds. A date
    without a time zone is in UTC.

    Raises:
        DataError: names the line of a value that is negative, in a different unit from the others,
            or neither a number nor a date.
    """
    if isinstance(labels, np.ndarray):
        return to_seconds(labels, column)
    texts = [str(value).strip() for value in labels.values]
    numbers = [_number(text) for text in texts]
    is_number = np.array([number is not None for number in numbers], bool)
    are_dates = not is_number.any()
    seconds = _parse_dates(texts) if are_dates else [number or 0 for number in numbers]
    wrong = np.isnan(seconds) if are_dates else ~is_number
    if wrong.any():
        row = int(np.argmax(wrong[labels.codes]))
        raise column.error(row, _problem(texts[labels.codes[row]], are_dates=are_dates), REMEDY)
    return to_seconds(np.array(seconds, np.int64)[labels.codes], column)


def to_seconds(values: Int, column: Column) -> Int:
    """(n,) seconds of times that are all in one unit; 0 is the same in each."""
    if not len(values):
        return values
    if (dates := _compact_dates(values)) is not None:
        return dates
    if (lowest := values.min()) < 0:
        raise column.error(int(np.argmin(values)), f"{lowest} is before 1970", REMEDY)
    highest = values.max()
    threshold = next((value for value in _UNITS if highest >= value), None)
    if threshold is None:
        return values
    # In the unit of the threshold, a tenth of it is a time in 1970.
    small = (values > 0) & (values < threshold // 10)
    if small.any():
        large = values >= threshold // 10
        few, many = (small, large) if small.sum() < large.sum() else (large, small)
        row, other = int(np.argmax(few)), int(np.argmax(many))
        raise column.error(
            row,
            f"{values[row]} is in another unit than {values[other]} ({column.place(other)})",
            "write all times in seconds since 1970",
        )
    return values // _UNITS[threshold]


def _compact_dates(values: Int) -> Int | None:
    """Seconds of dates such as 20000730, which as seconds would all be in August 1970."""
    if values.min() < _COMPACT_DATES[0] or values.max() > _COMPACT_DATES[1]:
        return None
    unique, codes = np.unique(values, return_inverse=True)
    dates = _parse_dates([str(value) for value in unique])
    return None if np.isnan(dates).any() else dates.astype(np.int64)[codes]


def _number(text: str) -> int | None:
    """A number without its fraction; None for other text, or if an exponent has cost digits."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    value = Decimal(text)
    if match[2] and value.as_tuple().exponent > 0:  # type: ignore[operator]  # not a NaN
        return None
    return int(value) if abs(value) < 2**63 else None


def _parse_dates(texts: list[str]) -> NDArray[np.float64]:
    """Seconds since 1970 of ISO 8601 dates; NaN for other text."""
    dates = pd.to_datetime(pd.Series(texts, dtype=str), format="ISO8601", utc=True, errors="coerce")
    seconds = dates.dt.tz_localize(None).to_numpy().astype("datetime64[s]")
    times = seconds.astype(np.int64).astype(np.float64)
    times[np.isnat(seconds)] = np.nan
    return times


def _problem(text: str, *, are_dates: bool) -> str:
    if not text:
        return "is empty"
    if _NUMBER.fullmatch(text):
        return f"{quoted_name(text)} is rounded, as spreadsheets write long numbers"
    kind = "a date in ISO 8601" if are_dates else "a number, as the other times are"
    return f"{quoted_name(text)} is not {kind}"
