"""Values and rows as tables."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text


def key_values(pairs: dict[str, Any]) -> Table:
    """Names and values in two columns."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in pairs.items():
        table.add_row(name, Text(format_any(value)))
    return table


def rows_table(rows: list[dict[str, Any]]) -> Table:
    """Rows with the same keys as a table; numbers are right-aligned."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, value in rows[0].items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(format_any(value)) for value in row.values()))
    return table


def number(value: float | None, digits: int = 4) -> str:
    """A number with fixed decimals; empty for None."""
    return "" if value is None else f"{value:.{digits}f}"


def format_duration(seconds: float | None) -> str:
    """Seconds without their unit in at most five characters: 12.1, 322, 12345; empty for None."""
    return number(seconds, 1 if (seconds or 0) < 99.95 else 0)


def format_bytes(n_bytes: int) -> str:
    """A size with its unit, such as 1.3 MB; 1 MB is a million bytes."""
    size, units = float(n_bytes), ["bytes", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"


def format_any(value: Any) -> str:
    """A value as text for people."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        short = f"{value:g}"
        if len(short) <= 5:
            return short
        if abs(value) >= 100:
            return f"{value:.1f}"
        return f"{value:.3g}" if abs(value) < 0.01 else f"{value:.4f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {format_any(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(format_any, value))
    return str(value)
