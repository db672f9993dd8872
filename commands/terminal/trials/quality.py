"""The figures of trials, formatted and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ....model.evaluation.metrics import Metric


def format_removal(records: list[dict[str, Any]]) -> str:
    """The trials that are to be removed, such as `trial 3 (complete 0.8123)`."""
    trials = (
        f"{record['number']} ({' '.join(filter(None, (record['state'], format_value(record))))})"
        for record in records
    )
    return f"{'trial' if len(records) == 1 else 'trials'} {', '.join(trials)}"


def metric_of(record: dict[str, Any]) -> Metric:
    """The metric of the study that a trial's record comes from."""
    from ....model.evaluation.weighted import find_metric

    return find_metric(record.get("metric", "val_rmse"))


def column_title(name: str) -> str:
    """The name of a metric; `objective` for a weighted sum, whose formula is too long."""
    from ....model.evaluation.weighted import find_metric

    return "objective" if find_metric(name).parts else name


def format_metric(record: dict[str, Any], name: str) -> str:
    """The study's metric, or one of its parts, of a trial; empty while it has none."""
    from ....model.evaluation.weighted import find_metric

    value = record.get("parts", {}).get(name, record["value"])
    return "" if value is None else find_metric(name).format(value)


def format_value(record: dict[str, Any]) -> str:
    """The metric's value of a trial; empty while it has none."""
    return "" if record["value"] is None else metric_of(record).format(record["value"])
