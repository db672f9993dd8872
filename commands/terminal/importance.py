"""The importance of axes as a table."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from ...search.results.sentences import describe_edges, format_share
from .consoles import out

BAR = 12  # characters


def print_importance(found: dict[str, Any]) -> None:
    """Print a table for each architecture. Args: found: as `importance --json` prints it."""
    for architecture, rows in found["architectures"].items():
        n_trials = found["trials"][architecture]
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in (f"{architecture}, {n_trials} trials", ""):
            table.add_column(name, no_wrap=True)
        for name in ("overall", "near the best"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(
                row["axis"].removeprefix(f"{architecture}."),
                "█" * round(BAR * min(row["overall"]["mean"], 1.0)),
                format_share(row["overall"]),
                format_share(row["near_best"]),
            )
        out.print(table)
        out.print()
    left_out = [
        f"{name} ({n_trials} trials)"
        for name, n_trials in found["trials"].items()
        if name not in found["architectures"]
    ]
    if left_out:
        out.print(f"too few trials to say: {', '.join(left_out)}")
    if found["edges"]:
        out.print(Text(f"the best trials are all at {describe_edges(found['edges'])}"))
    out.print(
        Text(
            "share of the differences in the metric that an axis causes, alone or together with "
            "others, with 95% intervals: over the whole space, and among configs near the best"
        )
    )
