"""Pieces of Markdown."""

from __future__ import annotations

from collections.abc import Mapping


def two_columns(rows: Mapping[str, object]) -> str:
    """Names and values as a table without a header."""
    lines = (f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items())
    return "\n".join(("| | |", "|---|---|", *lines))


def sentence(text: str | None) -> str:
    """The text with a capital letter and a full stop; empty for None."""
    if not text:
        return ""
    return f"{text[0].upper()}{text[1:]}" + ("" if text.endswith((".", "?", "!")) else ".")


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
