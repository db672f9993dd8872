"""What `doctor` found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from .consoles import out

if TYPE_CHECKING:
    from ...search.doctor.examination import Check

CHECK_STYLES = {"good": "green", "warning": "yellow", "missing": "red"}


def print_checks(checks: list[Check]) -> None:
    """Print the checks, each remedy below its check, then the verdict."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column()
    for check in checks:
        verdict = "good" if check.ok else "missing" if check.required else "warning"
        table.add_row(Text(verdict, CHECK_STYLES[verdict]), check.check, Text(check.detail))
        if check.remedy:
            table.add_row("", "", Text(f"remedy: {check.remedy}", "bold"))
    out.print(table)
    missing = ", ".join(check.check for check in checks if check.blocking)
    out.print(f"\na study cannot run here: {missing}" if missing else "\na study can run here")
