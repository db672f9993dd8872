"""Trials, one a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.padding import Padding
from rich.text import Text

from ....model.evaluation.sentences import shown_metrics
from ..columns import Column, lines_of
from ..consoles import WIDE, is_terminal, out
from ..values import format_duration, number
from .quality import column_title, format_metric, metric_of
from .sparkline import Curve, Scale, sparkline

STATE_STYLES = {
    "complete": "green",
    "pruned": "yellow",
    "failed": "red",
    "interrupted": "magenta",
    "running": "cyan",
}
CURVE_WIDTH, WIDE_CURVE_WIDTH = 10, 20  # characters
INDENT = 7  # of a sentence below its trial

Curves = Mapping[int, Curve]
"""Trial -> its curve."""


def print_trials(
    records: list[dict[str, Any]],
    best: dict[str, Any] | None,
    study: str,
    state: str | None,
    curves: Curves | None = None,
    *,
    reasons: bool = False,
) -> None:
    """Print a study's trials, or that there are none.

    Args:
        best: the study's best trial, if one has completed.
        state: the only state of the trials, if they were chosen by it.
        curves: of all trials of the study.
        reasons: whether to print the whole sentence on why each trial ended.
    """
    if records:
        number = best["number"] if best else None
        print_table(records, best=number, curves=curves, reasons=reasons)
    else:
        out.print(f"{study} has no {state} trials" if state else f"{study} has no trials yet")


def print_table(
    records: list[dict[str, Any]],
    *,
    best: int | None = None,
    curves: Curves | None = None,
    reasons: bool = False,
) -> None:
    """Print one trial a line, with why it ended; a star marks the number of the best one.

    On a terminal, a trial fits one line, with its curve and the reason in a few words. In a pipe or
    a file, the line is as long as it needs to be, with the whole sentence.
    """
    if not is_terminal():
        for line in lines_of(_columns_in_full(records, best), out.width):
            out.print(line, soft_wrap=True)
        return
    columns = _columns_in_brief(records, best, curves or {})
    header, *lines = lines_of(columns, out.width)
    out.print(header)
    for line, record in zip(lines, records, strict=True):
        out.print(line)
        if reasons and record["reason"]:
            out.print(Padding(sentence(record), (0, 0, 0, INDENT)))


def sentence(record: dict[str, Any]) -> Text:
    """Why a trial ended, in full, after its stop reason."""
    why = Text(record["reason"] or "")
    if record["stop_reason"]:
        return Text.assemble((f"{record['stop_reason']}: ", "bold"), why)
    return why


def _columns_in_full(records: list[dict[str, Any]], best: int | None) -> list[Column]:
    return [
        *_names(records, best),
        Column("architecture", [record["architecture"] or "" for record in records]),
        *_metrics(records),
        Column("epochs", [str(record["epochs"]) for record in records], right=True),
        Column("train_s", [number(record["train_s"], 1) for record in records], right=True),
        Column("why it ended", [sentence(record) for record in records]),
    ]


def _columns_in_brief(
    records: list[dict[str, Any]], best: int | None, curves: Curves
) -> list[Column]:
    seconds = [format_duration(record["train_s"]) for record in records]
    return [
        *_names(records, best),
        Column("architecture", [record["architecture"] or "" for record in records], rank=3),
        *_curves(records, curves),
        *_metrics(records),
        Column("epochs", [str(record["epochs"]) for record in records], right=True, rank=6),
        Column("seconds", seconds, right=True, rank=5),
        Column("why it ended", [record.get("brief") or "" for record in records]),
    ]


def _names(records: list[dict[str, Any]], best: int | None) -> Iterator[Column]:
    marks = ["*" if record["number"] == best else "" for record in records]
    names = [f"{record['number']}{mark}" for record, mark in zip(records, marks, strict=True)]
    yield Column("trial", names)
    states = [record["state"] for record in records]
    yield Column("state", [Text(state, STATE_STYLES.get(state, "")) for state in states])


def _curves(records: list[dict[str, Any]], curves: Curves) -> Iterator[Column]:
    """The curves on one scale, which outliers do not widen."""
    if not any(curves.get(record["number"]) for record in records):
        return
    scale = Scale.of(curves.values(), metric_of(records[0]))
    width = WIDE_CURVE_WIDTH if out.width >= WIDE else CURVE_WIDTH
    cells = []
    for record in records:
        max_epochs = (record.get("config") or {}).get("max_epochs")
        cells.append(sparkline(curves.get(record["number"], {}), max_epochs, scale, width))
    yield Column("curve", cells, rank=7)


def _metrics(records: list[dict[str, Any]]) -> Iterator[Column]:
    """Validation RMSE and MSE; first the study's metric if it is another, and the parts of a sum.

    Only the study's metric is always there.
    """
    metric = metric_of(records[0])
    for name in shown_metrics(metric):
        if name not in ("val_rmse", "val_mse"):
            cells = [format_metric(record, name) for record in records]
            rank = None if name == metric.name else 2
            yield Column(column_title(name), cells, right=True, rank=rank)
    for name, rank in (("val_rmse", 4), ("val_mse", 1)):
        cells = [number(record[name]) for record in records]
        yield Column(name, cells, right=True, rank=None if name == metric.name else rank)
