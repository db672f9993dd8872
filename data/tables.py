"""CSV files with a header line, walked row by row, so that a complaint can name its line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import isinf
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import DataError

ID_REMEDY = "write an id such as 17"
LAST_SECOND = 253_402_300_799  # the end of the year 9999

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?")
_INT64 = np.iinfo(np.int64)

# What Python's csv module complains of, and how to mend it.
_CSV_COMPLAINTS = {
    "new-line": "holds a bare carriage return; end lines with LF or CRLF",
    "field limit": "holds a field of over 131072 characters; close the quote that opens it",
    "unexpected end": "opens a quote that is never closed; close it",
}
_BAD_QUOTES = "has quotes that do not match; close them, and double those that belong to the text"


class Row(NamedTuple):
    line: int  # where it begins, 1-based: the header is line 1
    fields: list[str]


class Table:
    """One CSV file: its header, checked, and its rows.

    Args:
        path: shown in every complaint as it is given.
        required, optional: columns looked for; others are ignored.

    Raises:
        DataError: the file cannot be read, or its header is not as it should be.
    """

    def __init__(self, path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> None:
        self.path = path
        wanted = ",".join((*required, *optional))
        header = next(_rows(path), None)
        if header is None:
            raise DataError(f"{path} is empty; begin it with the header {wanted}")
        if header.line > 1:
            raise DataError(f"{path} line 1 is blank; begin the file with the header {wanted}")
        self.header = [name.strip() for name in header.fields]
        self.columns: dict[str, int] = {}
        for name in (*required, *optional):
            places = [at for at, found in enumerate(self.header) if found == name]
            if len(places) > 1:
                raise DataError(f"{path} has {len(places)} columns named {name!r}; keep one")
            if places:
                self.columns[name] = places[0]
            elif name in required:
                found = ", ".join(map(_shown, self.header))
                raise DataError(
                    f"{path} has no column {name!r}, found {found}; begin it with {wanted}"
                )

    def rows(self) -> Iterator[Row]:
        """All rows after the header, each with as many fields as the header; blank lines skipped.

        Raises:
            DataError: names the line that is ragged, undecodable or wrongly quoted.
        """
        rows = _rows(self.path)
        next(rows)
        for row in rows:
            if len(row.fields) != len(self.header):
                raise DataError(
                    f"{self.at(row.line)} has {len(row.fields)} fields, the header has "
                    f"{len(self.header)}; mend or delete the line"
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
            raise self._complaint(row, name, "is beyond 64 bits", remedy)
        if value != value.to_integral_value():
            raise self._complaint(row, name, "is not a whole number", remedy)
        return int(value)

    def second(self, row: Row, name: str) -> int:
        """The field as whole seconds since 1970, up to the year 9999."""
        remedy = "write whole seconds since 1970 such as 964982703"
        value = self.whole_number(row, name, remedy)
        if value < 0:
            raise self._complaint(row, name, "is negative", remedy)
        if value > LAST_SECOND:
            raise self._complaint(row, name, "is after the year 9999", remedy)
        return value

    def stars(self, row: Row, name: str) -> float:
        """The field as a number that float32 can hold."""
        remedy = "write stars such as 3.5"
        if self.field(row, name).lstrip("+-").lower() in ("inf", "infinity"):
            raise self._complaint(row, name, "is not finite", remedy)
        value = float(self._number(row, name, "a number", remedy))
        with np.errstate(over="ignore"):
            if isinf(np.float32(value)):
                raise self._complaint(row, name, "is not finite", remedy)
        return value

    def _number(self, row: Row, name: str, kind: str, remedy: str) -> str:
        text = self.field(row, name)
        if not text:
            raise DataError(f"{self.at(row.line)}: {name} is empty; {remedy}")
        if not _NUMBER.fullmatch(text):
            raise self._complaint(row, name, f"is not {kind}", remedy)
        return text

    def _complaint(self, row: Row, name: str, what: str, remedy: str) -> DataError:
        value = _shown(self.field(row, name))
        return DataError(f"{self.at(row.line)}: {name} {value} {what}; {remedy}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _rows(path: Path) -> Iterator[Row]:
    """Every row that is not blank, the header included."""
    reader = csv.reader(_lines(path), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            known = (text for key, text in _CSV_COMPLAINTS.items() if key in str(error))
            raise DataError(f"{path} line {line} {next(known, _BAD_QUOTES)}") from None
        if len(fields) > 1 or "".join(fields).strip():
            yield Row(line, fields)


def _lines(path: Path) -> Iterator[str]:
    """Decoded lines with their ends, without a byte order mark."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line.startswith((b"\xff\xfe", b"\xfe\xff")) and number == 1:
                    raise DataError(f"{path} line 1 is UTF-16; save the file as UTF-8")
                if b"\0" in line:
                    raise DataError(
                        f"{path} line {number} holds a NUL byte; copy or download the file again"
                    )
                try:
                    yield line.decode()
                except UnicodeDecodeError as error:
                    raise DataError(
                        f"{path} line {number}: byte 0x{line[error.start]:02x} is not UTF-8; "
                        "save the file as UTF-8"
                    ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
