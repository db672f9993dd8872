"""Two trials next to each other."""

from __future__ import annotations

from math import isfinite
from typing import Any

from rich.text import Text

from ....search.results.comparison import compare_trials
from ..columns import Column, lines_of
from ..consoles import out
from ..values import format_any
from .one import print_chart
from .quality import metric_of
from .table import Curves, sentence

COUNTS = ("epochs", "best_epoch", "params", "active_units")  # the start of their names
DIGITS = {"train_s": 1, "kl": 1}


def print_comparison(first: dict[str, Any], second: dict[str, Any], curves: Curves) -> None:
    """Print two trials: figures, hyperparameters that differ, curves, and why each ended.

    Args:
        first, second: as `StudyReader.show` returns them.
        curves: of the study's trials.
    """
    found, both = compare_trials(first, second), (first, second)
    names = [f"trial {trial['number']}" for trial in both]
    rows = {"state": [*(trial["state"] for trial in both), ""]}
    rows |= {name: _format_row(name, values) for name, values in found["figures"].items()}
    _print_table(rows, [*names, "difference"])
    n_differ, agree = len(found["differ"]), found["agree"]
    out.print(f"\n[bold]hyperparameters[/bold] ({n_differ} differ, {agree} agree)")
    if found["differ"]:
        values = found["differ"].items()
        _print_table({name: list(map(format_any, pair)) for name, pair in values}, names)
    print_chart(
        {name: curves.get(t["number"], {}) for name, t in zip(names, both, strict=True)},
        metric_of(first).label,
        metric_of(first).digits,
    )
    out.print()
    for name, trial in zip(names, both, strict=True):
        if trial["reason"]:
            out.print(Text.assemble((f"{name} {trial['state']}: ", "bold"), sentence(trial)))


def _print_table(rows: dict[str, list[str]], titles: list[str]) -> None:
    columns = [Column("", list(rows))]
    for at, title in enumerate(titles):
        columns.append(Column(title, [row[at] for row in rows.values()], right=True))
    for line in lines_of(columns, out.width):
        out.print(line)


def _format_row(name: str, values: list[float | None]) -> list[str]:
    first, second, difference = values
    digits = 0 if name.startswith(COUNTS) else DIGITS.get(name, 4)
    cells = ["-" if v is None or not isfinite(v) else f"{v:.{digits}f}" for v in (first, second)]
    return [*cells, "" if difference is None else f"{difference:+.{digits}f}"]
