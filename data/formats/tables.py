"""Text files as tables of named columns, with every value checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import isinf
from pathlib import Path

import numpy as np

from ...errors import DataError
from .rows import Row, read_rows

ID_REMEDY = "write an id such as 17"
MAX_TIMESTAMP = 253_402_300_799  # the end of the year 9999

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?")
_INT64 = np.iinfo(np.int64)
_SEPARATOR_NAMES = {"\t": "tabs"}  # invisible ones


class Table:
    """One text file with checked columns.

    Args:
        path: shown unchanged in every error message.
        required, optional: columns to read; others are ignored.
        separator: a comma means CSV with a header line. With any other separator there is no
            header: the columns are in the order given here, with all optional ones or none.

    Raises:
        DataError: the file cannot be read, or its first line is invalid.
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
            lacks_optional = first is not None and len(first.fields) == len(required)
            self.names = list(required if lacks_optional else wanted)
        self.columns: dict[str, int] = {}
        for name in wanted:
            positions = [i for i, column in enumerate(self.names) if column == name]
            if len(positions) > 1:
                raise DataError(f"{path} has {len(positions)} columns named {name!r}; keep one")
            if positions:
                self.columns[name] = positions[0]
            elif name in required:
                found = ", ".join(map(_quote, self.names))
                raise DataError(
                    f"{path} has no column {name!r}, found {found}; "
                    f"start it with the header {','.join(wanted)}"
                )

    def rows(self) -> Iterator[Row]:
        """All rows below the header, each with one field per column; blank lines are skipped.

        Raises:
            DataError: names the line that has the wrong number of fields, encoding or quotes.
        """
        rows = read_rows(self.path, self.separator)
        if self.has_header:
            next(rows)
        for row in rows:
            if len(row.fields) != len(self.names):
                raise DataError(
                    f"{self.location(row.line)} has {len(row.fields)} fields"
                    f"{self._expected_fields()}; fix or delete the line"
                )
            yield row

    def location(self, line: int) -> str:
        return f"{self.path} line {line}"

    def field(self, row: Row, name: str) -> str:
        return row.fields[self.columns[name]].strip()

    def whole_number(self, row: Row, name: str, remedy: str) -> int:
        """The field as an int64; `1.0` and `1e3` are whole numbers too."""
        text = self._number(row, name, "a whole number", remedy)
        value = Decimal(text)
        if not _INT64.min <= value <= _INT64.max:
            raise self.value_error(row, name, "does not fit in 64 bits", remedy)
        if value != value.to_integral_value():
            raise self.value_error(row, name, "is not a whole number", remedy)
        return int(value)

    def timestamp(self, row: Row, name: str) -> int:
        """The field as whole seconds since 1970, up to the year 9999."""
        remedy = "write whole seconds since 1970 such as 964982703"
        value = self.whole_number(row, name, remedy)
        if value < 0:
            raise self.value_error(row, name, "is negative", remedy)
        if value > MAX_TIMESTAMP:
            raise self.value_error(row, name, "is after the year 9999", remedy)
        return value

    def rating(self, row: Row, name: str) -> float:
        """The field as a number that is finite in float32."""
        remedy = "write stars such as 3.5"
        if self.field(row, name).lstrip("+-").lower() in ("inf", "infinity"):
            raise self.value_error(row, name, "is not finite", remedy)
        value = float(self._number(row, name, "a number", remedy))
        with np.errstate(over="ignore"):
            if isinf(np.float32(value)):
                raise self.value_error(row, name, "is not finite", remedy)
        return value

    def value_error(self, row: Row, name: str, problem: str, remedy: str) -> DataError:
        """`movies.csv line 3: NAME 'its value' PROBLEM; REMEDY`."""
        value = _quote(self.field(row, name))
        return DataError(f"{self.location(row.line)}: {name} {value} {problem}; {remedy}")

    def _number(self, row: Row, name: str, kind: str, remedy: str) -> str:
        text = self.field(row, name)
        if not text:
            raise DataError(f"{self.location(row.line)}: {name} is empty; {remedy}")
        if not _NUMBER.fullmatch(text):
            raise self.value_error(row, name, f"is not {kind}", remedy)
        return text

    def _expected_fields(self) -> str:
        if self.has_header:
            return f", the header has {len(self.names)}"
        separator = _SEPARATOR_NAMES.get(self.separator, self.separator)
        return f" separated by {separator}, expected {len(self.names)}"


def _header(path: Path, first: Row | None, wanted: str) -> list[str]:
    if first is None:
        raise DataError(f"{path} is empty; start it with the header {wanted}")
    if first.line > 1:
        raise DataError(f"{path} line 1 is blank; start the file with the header {wanted}")
    return [name.strip() for name in first.fields]


def _quote(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
