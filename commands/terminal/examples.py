"""Prints example commands."""

from __future__ import annotations

from ...search.storage.examples import STORAGE_VARIABLE


def print_next(*commands: str) -> None:
    """Print example commands for the next step, one per line, without line breaks."""
    from rich.text import Text

    from .consoles import out

    out.print("\nnext:")
    for line in commands:
        out.print(Text(f"  {line}"), soft_wrap=True)
    if any(f"${STORAGE_VARIABLE}" in line for line in commands):
        out.print(f"  ({STORAGE_VARIABLE}: the storage's URL, with its password)")
