"""What `best` and `confirm` print: trials, their ranking, and whether the best is confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from ...search.results.sentences import (
    describe_confirmed,
    describe_trial,
    format_bounds,
    format_interval,
)
from ...search.storage.examples import example
from .columns import Column, lines_of
from .consoles import out
from .trials.quality import column_title, metric_of
from .trials.table import Curves, print_table
from .values import key_values, number

if TYPE_CHECKING:
    from ...model.evaluation.metrics import Metric


def print_confirmation(rows: list[dict[str, Any]]) -> None:
    """Print the ranking, and how optimistic the search's own value was.

    Args:
        rows: as `confirm --json` prints them.
    """
    metric = metric_of(rows[0])
    columns = [
        Column("trial", [str(row["number"]) for row in rows]),
        Column("architecture", [row["architecture"] for row in rows], rank=1),
        Column(
            column_title(metric.name),
            [number(search_value(row)) for row in rows],
            right=True,
            rank=2,
        ),
        Column("mean", [number(row["mean"]) for row in rows], right=True),
        Column("95% interval", [_interval(row, metric) for row in rows], right=True),
        Column("behind the leader", [_distance(row["behind"], metric) for row in rows], right=True),
        Column("", [_note(row) for row in rows]),
    ]
    for line in lines_of(columns, out.width):
        out.print(line)
    leader = rows[0]
    if leader["mean"] is not None:
        confirmed = describe_confirmed(leader, metric)
        out.print(Text(f"\ntrial {leader['number']} leads, {confirmed}"))
        out.print(Text(_describe_optimism(leader)))


def _interval(row: dict[str, Any], metric: Metric) -> str:
    return "" if row["mean"] is None else format_bounds(row, metric)


def _distance(behind: dict[str, Any] | None, metric: Metric) -> str:
    return format_interval(behind, metric) if behind else ""


def _note(row: dict[str, Any]) -> str:
    if row["diverged_with_seed"] is not None:
        return f"not confirmed: diverged with seed {row['diverged_with_seed']}"
    return "tie" if row["tie"] else ""


def print_best(
    records: list[dict[str, Any]],
    leader: int | None,
    bias_val_rmse: float | None,
    note: str,
    curves: Curves | None = None,
) -> None:
    """Print trials, and the first one's config and distance from the baseline.

    Args:
        records: as `best --json` prints them.
        leader: number of the study's best trial.
        note: printed last.
        curves: of all trials of the study.
    """
    shown = records[0]
    print_table(records, best=leader, curves=curves)
    out.print(f"\n[bold]config of trial {shown['number']}[/bold]")
    out.print(key_values(shown["config"]))
    out.print()
    if shown["val_rmse"] is not None:
        out.print(describe_trial(shown, metric_of(shown), bias_val_rmse))
    out.print(Text(note), soft_wrap=True)


def describe_other_trial(record: dict[str, Any], leader: int | None) -> str:
    """A sentence on a trial that is not the best: which one is, and how it ended if incomplete.

    Args:
        leader: number of the study's best trial; None if no trial has completed.
    """
    best = "no trial has completed" if leader is None else f"trial {leader} is"
    text = f"trial {record['number']} is not the best ({best})"
    if record["state"] == "complete":
        return text
    ending = (record["state"], record["stop_reason"])
    return f"{text}: {', '.join(dict.fromkeys(filter(None, ending)))}"


def format_best(best: dict[str, Any], better: dict[str, Any] | None, *study_options: str) -> Text:
    """Whether the best trial is confirmed.

    Args:
        best: as `best --json` prints it.
        better: an unconfirmed trial with a better value in the search.
        study_options: options of the example command.
    """
    line = example("confirm", *study_options)
    if not best["confirmed"]:
        seed = best["diverged_with_seed"]
        why = f"it diverged with seed {seed}; confirm others: " if seed is not None else ""
        return Text(f"not confirmed: {why}{line}")
    metric = metric_of(best)
    text = Text(describe_confirmed(best["confirmed"], metric))
    if better:
        text.append(
            f"\ntrial {better['number']} reached {metric.format(search_value(better))} in the "
            f"search, {metric.better_side} this one's {metric.format(search_value(best))}, and is "
            f"not confirmed: {line}"
        )
    return text


def search_value(record: dict[str, Any]) -> float:
    """The value of the study's metric that the trial reached in the search."""
    return float(record["value"] if "value" in record else record["val_rmse"])


def _describe_optimism(leader: dict[str, Any]) -> str:
    metric, value = metric_of(leader), search_value(leader)
    extreme = "low" if metric.direction == "minimize" else "high"
    text = (
        f"the search picked its {metric.format(value)} for being {extreme}, so this value is "
        "optimistic"
    )
    gap = metric.cost(leader["mean"]) - metric.cost(value)
    if gap >= 0:
        return f"{text}: the mean is {gap:.4f} {metric.worse_side} it"
    cause = "splits and seeds" if leader["splits"] > 1 else "seeds"
    return (
        f"{text}; yet here the mean is {-gap:.4f} {metric.better_side} it: {cause} differ by more "
        "than that"
    )
