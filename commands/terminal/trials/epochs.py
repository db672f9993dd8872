"""Epochs as lines and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from ..consoles import WIDE, out
from ..values import rows_table

if TYPE_CHECKING:
    from ....model.config import TrainingConfig
    from ....model.training.reports import EpochReport


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
