"""Divergence: training that has lost its footing, whether or not its numbers are still finite."""

from __future__ import annotations

from statistics import median
from typing import Annotated

from pydantic import Field

from ...base.strict import Count, Number, Strict
from ...model.training.reports import EpochReport
from .progress import Progress, Stop

EARLIER_EPOCHS = 3  # at least, from which a median tells what is usual for the trial

# Means over an epoch's steps. A step that the loss scaler skips has no gradient norm, and no part.
WATCHED = {
    "train_loss": "loss",
    "grad_norm": "gradient norm before clipping",
    "kl": "KL",
}


class Divergence(Strict):
    """A loss that is not finite; one of the watched figures far above the trial's own median, while
    validation gets worse; or predictions far worse than none."""

    factor: Annotated[Number, Field(gt=1)] = 10.0  # times the median of all earlier epochs
    lost_factor: Annotated[Number, Field(gt=1)] = 1.5  # times the biases' validation RMSE
    patience: Count = 3  # epochs in a row, for both factors

    def judge(self, seen: Progress) -> Stop | None:
        why = self._not_finite(seen) or self._exploding(seen) or self._lost(seen)
        if why is None:
            return None
        rate = f"at learning rate {seen.config.learning_rate:g} and KL weight {seen.last.beta:g}"
        return Stop("diverged", f"{why}, {rate}")

    def _not_finite(self, seen: Progress) -> str | None:
        last = seen.last
        if last.finite:
            return None
        return (
            f"loss {last.train_loss:g} and validation RMSE {last.val_rmse:g} in epoch {last.epoch}"
        )

    def _exploding(self, seen: Progress) -> str | None:
        earlier, recent = seen.reports[: -self.patience], seen.reports[-self.patience :]
        best = seen.best
        if len(earlier) < EARLIER_EPOCHS or best is None or best.epoch >= recent[0].epoch:
            return None
        for field, name in WATCHED.items():
            usual = median(_value(report, field) for report in earlier)
            if min(_value(report, field) for report in recent) > self.factor * usual:
                return (
                    f"{name} {_value(seen.last, field):.3g} in epoch {seen.last.epoch} is over "
                    f"{self.factor:g} times its median, {usual:.3g}, for {self.patience} epochs, "
                    f"and validation RMSE rose from {best.val_rmse:.4f} to {seen.last.val_rmse:.4f}"
                )
        return None

    def _lost(self, seen: Progress) -> str | None:
        recent = seen.reports[-self.patience :]
        limit = self.lost_factor * seen.bias_val_rmse
        if len(recent) < self.patience or min(report.val_rmse for report in recent) <= limit:
            return None
        return (
            f"validation RMSE {seen.last.val_rmse:.4f} in epoch {seen.last.epoch} is over "
            f"{self.lost_factor:g} times the biases' {seen.bias_val_rmse:.4f}, for {self.patience} "
            "epochs"
        )


def _value(report: EpochReport, field: str) -> float:
    value: float = getattr(report, field)
    return value
