"""Text files as tables of named columns, whose values are checked one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import isinf
from pathlib import Path

import numpy as np

from ...errors import DataError
from .lines import Row, read_rows

ID_REMEDY = "write an id such as 17"
LAST_SECOND = 253_402_300_799  # the end of the year 9999

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?")
_INT64 = np.iinfo(np.int64)
_SEPARATORS = {"\t": "tabs"}  # those that cannot be shown


class Table:
    """One text file: its columns, checked, and its rows.

    Args:
        path: shown in every complaint as it is given.
        required, optional: columns looked for; others are ignored.
        separator: a comma stands for CSV with a header line; with another one there is no header,
            and the columns come in the order given here, the optional ones all or none.

    Raises:
        DataError: the file cannot be read, or its first line is not as it should be.
    """

    def __init__(
        self,
        path: Path,
        required: Sequence[str],
        optional: Sequence[str] = (),
        *,
        separator: str = ",",
    ) -> None:
        self.path = path
        self.separator = separator
        self.has_header = separator == ","
        wanted = (*required, *optional)
        first = next(read_rows(path, separator), None)
        if self.has_header:
            self.names = _header(path, first, ",".join(wanted))
        else:
            short = first is not None and len(first.fields) == len(required)
            self.names = list(required if short else wanted)
        self.columns: dict[str, int] = {}
        for name in wanted:
            places = [at for at, found in enumerate(self.names) if found == name]
            if len(places) > 1:
                raise DataError(f"{path} has {len(places)} columns named {name!r}; keep one")
            if places:
                self.columns[name] = places[0]
            elif name in required:
                found = ", ".join(map(_shown, self.names))
                raise DataError(
                    f"{path} has no column {name!r}, found {found}; "
                    f"begin it with {','.join(wanted)}"
                )

    def rows(self) -> Iterator[Row]:
        """All rows below the header, each with as many fields as columns; blank lines skipped.

        Raises:
            DataError: names the line that is ragged, undecodable or wrongly quoted.
        """
        rows = read_rows(self.path, self.separator)
        if self.has_header:
            next(rows)
        for row in rows:
            if len(row.fields) != len(self.names):
                raise DataError(
                    f"{self.at(row.line)} has {len(row.fields)} fields, {self._expected()}; "
                    "mend or delete the line"
                )
            yield row

    def at(self, line: int) -> str:
        return f"{self.path} line {line}"

    def field(self, row: Row, name: str) -> str:
        return row.fields[self.columns[name]].strip()

    def whole_number(self, row: Row, name: str, remedy: str) -> int:
        """The field as an int64; `1.0` and `1e3` are whole numbers too."""
        text = self._number(row, name, "a whole number", remedy)
        value = Decimal(text)
        if not _INT64.min <= value <= _INT64.max:
            raise self.complaint(row, name, "is beyond 64 bits", remedy)
        if value != value.to_integral_value():
            raise self.complaint(row, name, "is not a whole number", remedy)
        return int(value)

    def second(self, row: Row, name: str) -> int:
        """The field as whole seconds since 1970, up to the year 9999."""
        remedy = "write whole seconds since 1970 such as 964982703"
        value = self.whole_number(row, name, remedy)
        if value < 0:
            raise self.complaint(row, name, "is negative", remedy)
        if value > LAST_SECOND:
            raise self.complaint(row, name, "is after the year 9999", remedy)
        return value

    def stars(self, row: Row, name: str) -> float:
        """The field as a number that float32 can hold."""
        remedy = "write stars such as 3.5"
        if self.field(row, name).lstrip("+-").lower() in ("inf", "infinity"):
            raise self.complaint(row, name, "is not finite", remedy)
        value = float(self._number(row, name, "a number", remedy))
        with np.errstate(over="ignore"):
            if isinf(np.float32(value)):
                raise self.complaint(row, name, "is not finite", remedy)
        return value

    def complaint(self, row: Row, name: str, what: str, remedy: str) -> DataError:
        """`movies.csv line 3: NAME 'its value' WHAT; REMEDY`."""
        value = _shown(self.field(row, name))
        return DataError(f"{self.at(row.line)}: {name} {value} {what}; {remedy}")

    def _number(self, row: Row, name: str, kind: str, remedy: str) -> str:
        text = self.field(row, name)
        if not text:
            raise DataError(f"{self.at(row.line)}: {name} is empty; {remedy}")
        if not _NUMBER.fullmatch(text):
            raise self.complaint(row, name, f"is not {kind}", remedy)
        return text

    def _expected(self) -> str:
        if self.has_header:
            return f"the header has {len(self.names)}"
        separator = _SEPARATORS.get(self.separator, self.separator)
        return f"separated by {separator}, instead of {len(self.names)}"


def _header(path: Path, first: Row | None, wanted: str) -> list[str]:
    if first is None:
        raise DataError(f"{path} is empty; begin it with the header {wanted}")
    if first.line > 1:
        raise DataError(f"{path} line 1 is blank; begin the file with the header {wanted}")
    return [name.strip() for name in first.fields]


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
