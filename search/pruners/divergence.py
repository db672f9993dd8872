"""Divergence: training that has become unstable, whether or not its numbers are still finite."""

from __future__ import annotations

from math import isfinite
from statistics import median
from typing import Annotated, ClassVar

from pydantic import Field

from ...base.strict import Count, Number
from ...model.training.reports import EpochReport
from .rule import Kind, Progress, Rule, Stop

MIN_EARLIER_EPOCHS = 3  # needed for a median that describes the trial

# Means over an epoch's steps. A step that the loss scaler skips has no gradient norm.
WATCHED = {
    "train_loss": "loss",
    "grad_norm": "gradient norm before clipping",
    "kl": "KL",
}


class Divergence(Rule):
    """A loss or metric that is not finite; a watched figure far above the trial's own median while
    validation gets worse; or predictions far worse than the bias baseline's."""

    stop_reason: ClassVar[str] = "diverged"
    kind: ClassVar[Kind] = Kind.SICK

    factor: Annotated[Number, Field(gt=1)] = 10.0  # times the median of all earlier epochs
    lost_factor: Annotated[Number, Field(gt=1)] = 1.5  # times the bias baseline's validation RMSE
    patience: Count = 3  # epochs in a row, for both factors

    def judge(self, progress: Progress) -> Stop | None:
        why = self._not_finite(progress) or self._exploding(progress) or self._lost(progress)
        if why is None:
            return None
        learning_rate, kl_weight = progress.config.learning_rate, progress.last.beta
        return self.stop(
            f"{why}, at learning rate {learning_rate:g} and KL weight {kl_weight:g}",
            brief="diverged",
        )

    def _not_finite(self, progress: Progress) -> str | None:
        last, metric = progress.last, progress.metric
        if not last.finite:
            figures = f"loss {last.train_loss:g} and validation RMSE {last.val_rmse:g}"
            return f"{figures} in epoch {last.epoch}"
        if not isfinite(metric.of(last)):
            return f"{metric.label} {metric.of(last):g} in epoch {last.epoch}"
        return None

    def _exploding(self, progress: Progress) -> str | None:
        earlier, recent = progress.reports[: -self.patience], progress.reports[-self.patience :]
        best, last = progress.best_by_rmse, progress.last
        if len(earlier) < MIN_EARLIER_EPOCHS or best is None or best.epoch >= recent[0].epoch:
            return None
        for field, name in WATCHED.items():
            usual = median(_value(report, field) for report in earlier)
            if min(_value(report, field) for report in recent) > self.factor * usual:
                return (
                    f"{name} {_value(last, field):.3g} in epoch {last.epoch} is over "
                    f"{self.factor:g} times its median, {usual:.3g}, for {self.patience} epochs, "
                    f"and validation RMSE rose from {best.val_rmse:.4f} to {last.val_rmse:.4f}"
                )
        return None

    def _lost(self, progress: Progress) -> str | None:
        recent, last = progress.reports[-self.patience :], progress.last
        limit = self.lost_factor * progress.bias_val_rmse
        if len(recent) < self.patience or min(report.val_rmse for report in recent) <= limit:
            return None
        return (
            f"validation RMSE {last.val_rmse:.4f} in epoch {last.epoch} is over "
            f"{self.lost_factor:g} times the bias baseline's {progress.bias_val_rmse:.4f}, for "
            f"{self.patience} epochs"
        )


def _value(report: EpochReport, field: str) -> float:
    value: float = getattr(report, field)
    return value
