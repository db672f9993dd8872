"""Rows of columns that fit the width at hand: the least important columns are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.text import Text

GAP = "  "


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        cells: one for each row, each of one line.
        rank: columns with the lowest rank are left out first; None is always there.
    """

    title: str
    cells: Sequence[Text | str]
    right: bool = False
    rank: int | None = None

    @cached_property
    def width(self) -> int:
        return max(map(_length, (self.title, *self.cells)))


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """The most important columns that fit the width next to each other, in their order."""
    kept = list(columns)
    while total_width(kept) > width:
        optional = [column for column in kept if column.rank is not None]
        if not optional:
            break
        kept.remove(min(optional, key=lambda column: column.rank or 0))
    return kept


def total_width(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(GAP) * (len(columns) - 1)


def lines_of(columns: Sequence[Column], width: int) -> list[Text]:
    """A header and a line for each row; columns that do not fit are left out.

    If the width is too small even so, lines end with an ellipsis.
    """
    kept = fitting(columns, width)
    lines = [_line(kept, [Text(column.title, "bold") for column in kept]), *row_lines(kept)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def row_lines(columns: Sequence[Column]) -> list[Text]:
    """A line for each row."""
    rows = zip(*(column.cells for column in columns), strict=True)
    return [_line(columns, row) for row in rows]


def _line(columns: Sequence[Column], cells: Sequence[Text | str]) -> Text:
    line = Text(no_wrap=True)
    for at, (column, cell) in enumerate(zip(columns, cells, strict=True)):
        blanks = " " * (column.width - _length(cell))
        is_last = at == len(columns) - 1
        parts = (blanks, cell) if column.right else (cell, "" if is_last else blanks)
        line.append(GAP if at else "")
        for part in parts:
            line.append_text(part if isinstance(part, Text) else Text(part))
    line.rstrip()
    return line


def _length(cell: Text | str) -> int:
    return cell.cell_len if isinstance(cell, Text) else Text(cell).cell_len
