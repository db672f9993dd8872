"""One trial in full."""

from __future__ import annotations

from typing import Any

from ..consoles import is_terminal, out
from ..values import key_values
from .chart import chart
from .epochs import epochs_table
from .quality import metric_of
from .sparkline import Curve


def print_trial(values: dict[str, Any], curve: Curve) -> None:
    """Print a trial: its figures, its curves where stdout is a terminal, its config and epochs.

    Args:
        values: as `StudyReader.show` returns them.
        curve: the metric's value by epoch.
    """
    parts = {name: values[name] for name in ("config", "environment")}
    reports = values["reports"]
    left_out = (*parts, "reports", "brief")
    figures = {name: value for name, value in values.items() if name not in left_out}
    out.print(key_values({name: v for name, v in figures.items() if v not in (None, {})}))
    if is_terminal():
        metric = metric_of(values)
        if metric.name != "val_rmse" or not reports:
            print_chart({metric.name: curve}, metric.label, metric.digits)
        validation = {report.epoch: report.val_rmse for report in reports}
        train = {report.epoch: report.train_rmse for report in reports}
        print_chart({"validation": validation, "train": train}, "RMSE")
    for title, part in parts.items():
        out.print(f"\n[bold]{title}[/bold]")
        out.print(key_values(part or {}))
    if reports:
        out.print("\n[bold]epochs[/bold]")
        out.print(epochs_table(reports))


def print_chart(curves: dict[str, Curve], label: str, digits: int = 4) -> None:
    """Print curves by epoch below their title; nothing if there are none."""
    if lines := chart(curves, out.width, digits):
        out.print(f"\n[bold]{label}[/bold]")
        for line in lines:
            out.print(line)
