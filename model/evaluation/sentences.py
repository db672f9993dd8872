"""Figures of a trial or a run in sentences, for the terminal and for notifications."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .metrics import Metric


def shown_metrics(metric: Metric | None) -> tuple[str, ...]:
    """The metric's name and those of its parts."""
    return (metric.name, *metric.parts) if metric else ()


def describe_quality(values: Mapping[str, float], metric: Metric, bias_rmse: float | None) -> str:
    """A trial's metric and its parts, and its validation RMSE compared to the bias baseline's.

    Args:
        values: by metric.
    """
    from .weighted import find_metric  # imports pydantic, which `--help` does not need

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
