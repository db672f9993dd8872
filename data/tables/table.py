"""Text files as tables of named columns, with every value checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import isinf

import numpy as np

from ...errors import DataError
from .columns import (
    NAMES_EXAMPLE,
    REMEDY,
    ColumnError,
    ReadOptions,
    Role,
    find_columns,
    positions_in,
    quoted_name,
)
from .rows import Row, read_rows
from .sources import Source

# In the order in which they are tried on a file with a header.
SEPARATORS = (",", ";", "\t", "|")

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_SEPARATOR_NAMES = {"\t": "tabs", " ": "blanks"}  # invisible ones
_STARS = "write stars such as 3.5"


class Table:
    """One text file with checked columns.

    Attributes:
        source: shown in every error message.
        separator: between the fields.
        has_header: whether the first line names the columns; only then may fields be quoted.
        names: of all columns, as the header has them.
        columns: MovieLens' name of a column -> its position.
    """

    def __init__(
        self,
        source: Source,
        separator: str,
        names: Sequence[str],
        columns: Mapping[str, int],
        *,
        has_header: bool,
    ) -> None:
        self.source = source
        self.separator = separator
        self.has_header = has_header
        self.names = list(names)
        self.columns = dict(columns)

    @classmethod
    def with_header(
        cls,
        source: Source,
        required: Sequence[Role],
        optional: Sequence[Role] = (),
        chosen: Mapping[str, str] | None = None,
    ) -> Table:
        """A CSV file, or one with semicolons, tabs or bars where its header shows them.

        Args:
            required, optional: columns to read; others are ignored.
            chosen: key of a role -> name of its column.

        Raises:
            DataError: the file cannot be read, or a required column is missing.
        """
        wanted = ",".join(role.name for role in (*required, *optional))
        refused: list[tuple[tuple[int, int], DataError]] = []
        for separator in SEPARATORS:
            try:
                names = _header(source, separator, wanted)
                columns = find_columns(names, required, optional, chosen)
                return cls(source, separator, names, columns, has_header=True)
            except ColumnError as error:
                remedy = error.remedy or _header_remedy(names, wanted)
                likelihood = (error.n_found, len(names))
                refused.append((likelihood, DataError(f"{source} {error}; {remedy}")))
            except DataError as error:  # quotes that make no sense with this separator
                refused.append(((-1, 0), error))
        # Of the separator with which most columns were found, or else with which there are most.
        raise max(refused, key=lambda pair: pair[0])[1]

    @classmethod
    def without_header(
        cls, source: Source, separator: str, required: Sequence[str], optional: Sequence[str] = ()
    ) -> Table:
        """A file whose columns are in the order given here, with all optional ones or none."""
        first = next(read_rows(source, separator, quotes=False), None)
        lacks_optional = first is not None and len(first.fields) == len(required)
        names = list(required if lacks_optional else (*required, *optional))
        columns = {name: i for i, name in enumerate(names)}
        return cls(source, separator, names, columns, has_header=False)

    @classmethod
    def with_positions(cls, source: Source, chosen: Mapping[str, str]) -> Table:
        """A file without a header whose columns are numbered.

        Raises:
            DataError: the file cannot be read, or its first line has too few fields.
        """
        columns = positions_in(chosen)
        n_needed = max(columns.values()) + 1
        widths = {}
        for separator in ("::", *SEPARATORS, " "):
            row = next(read_rows(source, separator, quotes=False), None)
            widths[separator] = len(row.fields) if row else 0
        separator = max(widths, key=lambda one: widths[one])
        if widths[separator] < n_needed:
            raise DataError(
                f"{source} line 1 has {widths[separator]} fields, and --columns names number "
                f"{n_needed}; count the columns from 1"
            )
        names = [f"column {number}" for number in range(1, widths[separator] + 1)]
        return cls(source, separator, names, columns, has_header=False)

    @property
    def first_line(self) -> int:
        """Line number of the first row, if no line is blank."""
        return 2 if self.has_header else 1

    def rows(self) -> Iterator[Row]:
        """All rows below the header, each with one field per column; blank lines are skipped.

        Raises:
            DataError: names the line that has the wrong number of fields, encoding or quotes.
        """
        rows = read_rows(self.source, self.separator, quotes=self.has_header)
        for row in islice(rows, int(self.has_header), None):
            if len(row.fields) != len(self.names):
                raise DataError(
                    f"{self.location(row.line)} has {len(row.fields)} fields"
                    f"{self._expected_fields()}; fix or delete the line"
                )
            yield row

    def location(self, line: int) -> str:
        return f"{self.source} line {line}"

    def label(self, name: str) -> str:
        """The file's own name of a column, for messages."""
        return self.names[self.columns[name]] if self.has_header else name

    def field(self, row: Row, name: str) -> str:
        return row.fields[self.columns[name]].strip()

    def rating(self, row: Row, name: str) -> float:
        """The field as a number that is finite in float32; `4,5` only where no comma separates."""
        text = self.field(row, name)
        if not text:
            raise self.error(row, f"{self.label(name)} is empty", _STARS)
        if text.lstrip("+-").lower() in ("inf", "infinity"):
            raise self.value_error(row, name, "is not finite", _STARS)
        if self.has_header and self.separator != "," and _DECIMAL_COMMA.fullmatch(text):
            text = text.replace(",", ".")
        if not _NUMBER.fullmatch(text):
            raise self.value_error(row, name, "is not a number", self._rating_remedy(row, text))
        value = float(text)
        with np.errstate(over="ignore"):
            if isinf(np.float32(value)):
                raise self.value_error(row, name, "is not finite", _STARS)
        return value

    def _rating_remedy(self, row: Row, text: str) -> str:
        if row.line == 1:
            return f"{_STARS}; if line 1 is a header, name its columns instead of numbering them"
        if _DECIMAL_COMMA.fullmatch(text):
            return f"{_STARS}, or separate the columns by semicolons or tabs"
        return _STARS

    def value_error(self, row: Row, name: str, problem: str, remedy: str) -> DataError:
        """`movies.csv line 3: NAME 'its value' PROBLEM; REMEDY`."""
        return self.error(
            row, f"{self.label(name)} {quoted_name(self.field(row, name))} {problem}", remedy
        )

    def error(self, row: Row, problem: str, remedy: str) -> DataError:
        return DataError(f"{self.location(row.line)}: {problem}; {remedy}")

    def _expected_fields(self) -> str:
        if self.has_header:
            return f", the header has {len(self.names)}"
        separator = _SEPARATOR_NAMES.get(self.separator, self.separator)
        return f" separated by {separator}, expected {len(self.names)}"


def _header(source: Source, separator: str, wanted: str) -> list[str]:
    first = next(read_rows(source, separator, quotes=True), None)
    if first is None:
        raise DataError(f"{source} is empty; start it with the header {wanted}")
    if first.line > 1:
        raise DataError(f"{source} line 1 is blank; start the file with the header {wanted}")
    return [name.strip() for name in first.fields]


def _header_remedy(names: Sequence[str], wanted: str) -> str:
    """What to do about a column that is missing, for ratings and for other files."""
    remedy = f"start it with the header {wanted}"
    if "rating" not in wanted:
        return remedy
    is_data = any(_NUMBER.fullmatch(word) for word in " ".join(names).split())
    return f"{remedy}, or {REMEDY} {'user=1,item=2,rating=3' if is_data else NAMES_EXAMPLE}"


def companion_table(
    source: Source, required: Sequence[Role], optional: Sequence[Role], options: ReadOptions
) -> Table:
    """A file that goes with a dataset: each column has the dataset's name, or a well-known one.

    Raises:
        DataError: the file cannot be read, or a required column is missing.
    """
    chosen = {} if positions_in(options.columns) else options.columns
    return Table.with_header(
        source,
        [role.also_named(chosen.get(role.key)) for role in required],
        [role.also_named(chosen.get(role.key)) for role in optional],
    )
