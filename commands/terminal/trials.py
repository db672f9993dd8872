"""Trials and their epochs as tables and lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from .consoles import WIDE, out
from .values import number, rows_table

if TYPE_CHECKING:
    from ...model.config import TrainingConfig
    from ...model.training.reports import EpochReport

STATE_STYLES = {
    "complete": "green",
    "pruned": "yellow",
    "failed": "red",
    "interrupted": "magenta",
    "running": "cyan",
}


def trials_table(records: list[dict[str, Any]], *, best: int | None = None) -> Table:
    """Trials, one a row, each with why it ended; the best one's number carries a star."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("trial", "state", "architecture"):
        table.add_column(name, no_wrap=True)
    wide = out.width >= WIDE
    for name in ("val_rmse", "val_mse", "epochs", *(["train_s"] if wide else [])):
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
            number(record["val_rmse"]),
            number(record["val_mse"]),
            str(record["epochs"]),
            *([number(record["train_s"], 1)] if wide else []),
            why,
        )
    return table


def compare_to_baseline(rmse: float, bias_rmse: float | None) -> str:
    """A validation or test RMSE with its MSE, and how far it is from the bias baseline's."""
    figures = f"RMSE {rmse:.4f} (MSE {rmse**2:.4f})"
    if bias_rmse is None:
        return figures
    if f"{rmse:.4f}" == f"{bias_rmse:.4f}":
        return f"{figures}, equal to the bias baseline's {bias_rmse:.4f}"
    side = "below" if rmse < bias_rmse else "above"
    return f"{figures}, {abs(rmse - bias_rmse):.4f} {side} the bias baseline's {bias_rmse:.4f}"


def epoch_line(config: TrainingConfig, report: EpochReport) -> str:
    """One epoch in one line."""
    figures = [
        f"epoch {report.epoch:>3}/{config.max_epochs}",
        f"val_rmse {report.val_rmse:.4f}",
        f"train_rmse {report.train_rmse:.4f}",
    ]
    if report.active_units:  # a model without latents has no KL either
        active = ", ".join(f"{tower} {units}" for tower, units in report.active_units.items())
        figures += [f"kl {report.kl:.1f}", f"active units {active}"]
    return "  ".join([*figures, f"{report.epoch_s:.1f} s"])


def epochs_table(reports: list[EpochReport]) -> Table:
    """A trial's epochs, what a person looks at first on the left."""
    wide = out.width >= WIDE
    return rows_table(
        [
            {
                "epoch": report.epoch,
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
