"""Trials and their epochs as tables and lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from .consoles import WIDE, out
from .values import number, rows_table

if TYPE_CHECKING:
    from ...model.config import TrainingConfig
    from ...model.evaluation.metrics import Metric
    from ...model.training.reports import EpochReport

STATE_STYLES = {
    "complete": "green",
    "pruned": "yellow",
    "failed": "red",
    "interrupted": "magenta",
    "running": "cyan",
}


def trials_table(records: list[dict[str, Any]], *, best: int | None = None) -> Table:
    """One trial per row, with why it ended; a star marks the number of the best one.

    A metric other than RMSE and MSE has a column of its own, and so have the parts of a sum.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("trial", "state", "architecture"):
        table.add_column(name, no_wrap=True)
    wide = out.width >= WIDE
    metric = metric_of(records[0]) if records else None
    extra = [name for name in shown_metrics(metric) if name not in ("val_rmse", "val_mse")]
    titles = map(column_title, extra)
    for name in (*titles, "val_rmse", "val_mse", "epochs", *(["train_s"] if wide else [])):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why it ended")
    for record in records:
        mark = "*" if record["number"] == best else ""
        state = record["state"]
        why = Text(record["reason"] or "")
        if record["stop_reason"]:
            why = Text.assemble((f"{record['stop_reason']}: ", "bold"), why)
        table.add_row(
            f"{record['number']}{mark}",
            Text(state, STATE_STYLES.get(state, "")),
            record["architecture"] or "",
            *(format_metric(record, name) for name in extra),
            number(record["val_rmse"]),
            number(record["val_mse"]),
            str(record["epochs"]),
            *([number(record["train_s"], 1)] if wide else []),
            why,
        )
    return table


def print_trials(
    records: list[dict[str, Any]], best: dict[str, Any] | None, study: str, state: str | None
) -> None:
    """Print a study's trials, or that there are none.

    Args:
        best: the study's best trial, if one has completed.
        state: the only state of the trials, if they were chosen by it.
    """
    if records:
        out.print(trials_table(records, best=best["number"] if best else None))
    else:
        out.print(f"{study} has no {state} trials" if state else f"{study} has no trials yet")


def format_removal(records: list[dict[str, Any]]) -> str:
    """The trials that are to be removed, such as `trial 3 (complete 0.8123)`."""
    trials = (
        f"{record['number']} ({' '.join(filter(None, (record['state'], format_value(record))))})"
        for record in records
    )
    return f"{'trial' if len(records) == 1 else 'trials'} {', '.join(trials)}"


def metric_of(record: dict[str, Any]) -> Metric:
    """The metric of the study that a trial's record comes from."""
    from ...model.evaluation.weighted import find_metric

    return find_metric(record.get("metric", "val_rmse"))


def shown_metrics(metric: Metric | None) -> tuple[str, ...]:
    """The metric's name and those of its parts."""
    return (metric.name, *metric.parts) if metric else ()


def column_title(name: str) -> str:
    """The name of a metric; `objective` for a weighted sum, whose formula is too long."""
    from ...model.evaluation.weighted import find_metric

    return "objective" if find_metric(name).parts else name


def format_metric(record: dict[str, Any], name: str) -> str:
    """The study's metric, or one of its parts, of a trial; empty while it has none."""
    from ...model.evaluation.weighted import find_metric

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
    from ...model.evaluation.weighted import find_metric

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


def epoch_line(config: TrainingConfig, report: EpochReport, refit_epochs: int | None = None) -> str:
    """One epoch on one line. Args: refit_epochs: of a refit, which has no validation figures."""
    is_refit = refit_epochs is not None
    figures = [
        f"epoch {report.epoch:>3}/{refit_epochs or config.max_epochs}",
        *([] if is_refit else [f"val_rmse {report.val_rmse:.4f}"]),
        *(f"{name} {value:.4f}" for name, value in report.metrics.items()),
        f"train_rmse {report.train_rmse:.4f}",
    ]
    if report.active_units:  # a model without latents has no KL either
        active = ", ".join(f"{tower} {units}" for tower, units in report.active_units.items())
        figures += [f"kl {report.kl:.1f}", f"active units {active}"]
    return "  ".join([*figures, f"{report.epoch_s:.1f} s"])


def epochs_table(reports: list[EpochReport]) -> Table:
    """One epoch per row, the most important figures first."""
    wide = out.width >= WIDE
    return rows_table(
        [
            {
                "epoch": report.epoch,
                **report.metrics,
                "val_rmse": report.val_rmse,
                "val_mse": report.val_mse,
                "train_rmse": report.train_rmse,
                "kl": round(report.kl, 1),
                "active units": dict(report.active_units),
                "lr": float(f"{report.learning_rate:.2g}"),
                **({"beta": float(f"{report.beta:.2g}")} if wide else {}),
                **({"grad_norm": report.grad_norm} if wide else {}),
                **({"ratings/s": round(report.ratings_per_s)} if wide else {}),
            }
            for report in reports
        ]
    )
