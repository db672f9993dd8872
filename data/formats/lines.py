"""Text files as rows of fields, each with its line's number, so that a complaint can name it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...errors import DataError

# What Python's csv module complains of, and how to mend it.
_CSV_COMPLAINTS = {
    "new-line": "holds a bare carriage return; end lines with LF or CRLF",
    "field limit": "holds a field of over 131072 characters; close the quote that opens it",
    "unexpected end": "opens a quote that is never closed; close it",
}
_BAD_QUOTES = "has quotes that do not match; close them, and double those that belong to the text"


class Row(NamedTuple):
    line: int  # where it begins, 1-based
    fields: list[str]


def read_rows(path: Path, separator: str) -> Iterator[Row]:
    """Every row that is not blank.

    Commas separate CSV: fields may be quoted, and text is UTF-8. Any other separator stands for
    MovieLens' older formats: no quotes, and a line that is not UTF-8 is Latin-1.

    Raises:
        DataError: the file cannot be read, or a line cannot be taken apart.
    """
    rows = _csv_rows(path) if separator == "," else _split_rows(path, separator)
    return (row for row in rows if len(row.fields) > 1 or "".join(row.fields).strip())


def _csv_rows(path: Path) -> Iterator[Row]:
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
        yield Row(line, fields)


def _split_rows(path: Path, separator: str) -> Iterator[Row]:
    for number, text in enumerate(_lines(path, or_latin_1=True), start=1):
        line = text.removesuffix("\n").removesuffix("\r")
        if "\r" in line:
            raise DataError(f"{path} line {number} {_CSV_COMPLAINTS['new-line']}")
        yield Row(number, line.split(separator))


def _lines(path: Path, *, or_latin_1: bool = False) -> Iterator[str]:
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
                    if or_latin_1:
                        yield line.decode("latin-1")
                        continue
                    raise DataError(
                        f"{path} line {number}: byte 0x{line[error.start]:02x} is not UTF-8; "
                        "save the file as UTF-8"
                    ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
