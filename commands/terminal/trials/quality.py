"""The figures of trials, formatted and compared."""

from __future__ import annotations

from collections.abc import Mapping
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


def shown_metrics(metric: Metric | None) -> tuple[str, ...]:
    """The metric's name and those of its parts."""
    return (metric.name, *metric.parts) if metric else ()


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


def describe_quality(values: Mapping[str, float], metric: Metric, bias_rmse: float | None) -> str:
    """A trial's metric and its parts, and its validation RMSE compared to the bias baseline's.

    Args:
        values: by metric.
    """
    from ....model.evaluation.weighted import find_metric

    others = [
        f"{each.label} {each.format(values[each.name])}"
        for each in map(find_metric, shown_metrics(metric))
        if each.name not in ("val_rmse", "val_mse")
    ]
    rmse = compare_to_baseline(values["val_rmse"], bias_rmse)
    return ", ".join([*others, f"validation {rmse}"])


def compare_to_baseline(rmse: float, bias_rmse: float | None) -> str:
    """A validation or test RMSE with its MSE, and its distance from the bias baseline's."""
    figures = f"RMSE {rmse:.4f} (MSE {rmse**2:.4f})"
    if bias_rmse is None:
        return figures
    if f"{rmse:.4f}" == f"{bias_rmse:.4f}":
        return f"{figures}, equal to the bias baseline's {bias_rmse:.4f}"
    side = "below" if rmse < bias_rmse else "worse than"
    return f"{figures}, {abs(rmse - bias_rmse):.4f} {side} the bias baseline's {bias_rmse:.4f}"
