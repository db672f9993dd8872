"""Text files as rows of fields, each with its line number for error messages."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import NamedTuple

from ...errors import DataError
from .sources import Source

# Part of a `csv.Error` message -> what to report.
_CSV_ERRORS = {
    "new-line": "has a bare carriage return; end lines with LF or CRLF",
    "field limit": "has a field of over 131072 characters; close its opening quote",
    "unexpected end": "opens a quote that is never closed; close it",
}
_MISMATCHED_QUOTES = "has mismatched quotes; close them, and double those within the text"


class Row(NamedTuple):
    line: int  # number of its first line, from 1
    fields: list[str]


def read_rows(source: Source, separator: str, *, quotes: bool) -> Iterator[Row]:
    """Every non-blank row of a file.

    Args:
        quotes: whether it is CSV: fields may be quoted, and the text is UTF-8. If not, it is one of
            MovieLens' older formats: no quotes, and a line that is not UTF-8 is read as Latin-1.

    Raises:
        DataError: the file cannot be read, or a line cannot be split into fields.
    """
    rows = _csv_rows(source, separator) if quotes else _split_rows(source, separator)
    return (row for row in rows if len(row.fields) > 1 or "".join(row.fields).strip())


def _csv_rows(source: Source, separator: str) -> Iterator[Row]:
    reader = csv.reader(_lines(source), strict=True, delimiter=separator)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            matches = (text for key, text in _CSV_ERRORS.items() if key in str(error))
            raise DataError(f"{source} line {line} {next(matches, _MISMATCHED_QUOTES)}") from None
        yield Row(line, fields)


def _split_rows(source: Source, separator: str) -> Iterator[Row]:
    for number, text in enumerate(_lines(source, latin_1_fallback=True), start=1):
        line = text.removesuffix("\n").removesuffix("\r")
        if "\r" in line:
            raise DataError(f"{source} line {number} {_CSV_ERRORS['new-line']}")
        yield Row(number, line.split(separator))


def _lines(source: Source, *, latin_1_fallback: bool = False) -> Iterator[str]:
    """Decoded lines with their line endings; a byte order mark is removed."""
    with source.open() as file:
        for number, line in enumerate(file, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.startswith((b"\xff\xfe", b"\xfe\xff")) and number == 1:
                raise DataError(f"{source} line 1 is UTF-16; save the file as UTF-8")
            if b"\0" in line:
                raise DataError(
                    f"{source} line {number} has a NUL byte; copy or download the file again"
                )
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                if latin_1_fallback:
                    yield line.decode("latin-1")
                    continue
                raise DataError(
                    f"{source} line {number}: byte 0x{line[error.start]:02x} is not UTF-8; "
                    "save the file as UTF-8"
                ) from None
