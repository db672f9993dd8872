"""Overfitting: the validation RMSE is past its best, and the train RMSE runs away from it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...base.strict import Count, Number, Strict
from ...model.training.reports import EpochReport
from .progress import Progress, Stop


class OverfitGap(Strict):
    """The gap is wide, and in each of the last epochs it and the validation RMSE were above all
    that they were in as many epochs before: at a high learning rate a curve rises for an epoch
    or two, and falls again when the rate does.

    Both RMSE are those of eval mode; `two_tower` alone leaves train ratings out of their own
    prediction, so that the others' gap is wider.
    """

    gap: Annotated[Number, Field(gt=0)] = 0.15  # stars
    patience: Count = 3  # epochs, and as many before them

    def judge(self, seen: Progress) -> Stop | None:
        n, best, last = self.patience, seen.best, seen.last
        before, recent = seen.reports[-2 * n : -n], seen.reports[-n:]
        if best is None or len(before) < n or gap_of(last) <= self.gap:
            return None
        widest_before = max(map(gap_of, before))
        rises = min(r.val_rmse for r in recent) > max(r.val_rmse for r in before)
        widens = min(map(gap_of, recent)) > widest_before
        if not (rises and widens):
            return None
        return Stop(
            "overfit-gap",
            f"validation RMSE {last.val_rmse:.4f} is past its best, {best.val_rmse:.4f} in epoch "
            f"{best.epoch}, and {gap_of(last):.3f} above the train RMSE {last.train_rmse:.4f} "
            f"(limit {self.gap:g}); in the {n} epochs before the last {n}, the gap was at most "
            f"{widest_before:.3f}",
        )


def gap_of(report: EpochReport) -> float:
    """Stars by which validation is worse than train."""
    return report.val_rmse - report.train_rmse
