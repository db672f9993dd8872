"""Overfitting: the validation RMSE is past its best, and the train RMSE runs away from it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...strict import Count, Number, Strict
from .progress import Progress, Stop


class OverfitGap(Strict):
    """Both RMSE are those of eval mode; `two_tower` alone leaves train ratings out of their own
    prediction, so that the others' gap is wider."""

    gap: Annotated[Number, Field(gt=0)] = 0.15  # stars
    patience: Count = 3  # epochs past the best, the gap wider than before

    def judge(self, seen: Progress) -> Stop | None:
        best, last = seen.best, seen.last
        if best is None or last.epoch - best.epoch < self.patience:
            return None
        gaps = [report.val_rmse - report.train_rmse for report in seen.reports]
        if not gaps[-1] > max(self.gap, *gaps[-1 - self.patience : -1]):
            return None
        return Stop(
            "overfit-gap",
            f"validation RMSE {last.val_rmse:.4f} is past its best, {best.val_rmse:.4f} in epoch "
            f"{best.epoch}, and {gaps[-1]:.3f} above the train RMSE {last.train_rmse:.4f} (limit "
            f"{self.gap:g}); {self.patience} epochs before, the gap was "
            f"{gaps[-1 - self.patience]:.3f}",
        )
