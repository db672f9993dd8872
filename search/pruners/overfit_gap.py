"""Overfitting: validation RMSE is past its best, and its gap to train RMSE widens."""

from __future__ import annotations

from typing import ClassVar

from ...base.strict import Count, Positive
from .rule import Kind, Progress, Rule, Stop


class OverfitGap(Rule):
    """The gap is wide, and in each of the last `patience` epochs both the gap and validation RMSE
    were above their highest values in the `patience` epochs before.

    One rising epoch is not enough: at a high learning rate a curve rises for an epoch or two, and
    falls again when the rate does. Both RMSE are measured in eval mode; only `two_tower` leaves a
    train rating out of its own prediction, so the gap of the other models is wider.
    """

    stop_reason: ClassVar[str] = "overfit-gap"
    kind: ClassVar[Kind] = Kind.EXHAUSTED

    gap: Positive = 0.15  # stars
    patience: Count = 3  # epochs that are compared with as many before them

    def judge(self, progress: Progress) -> Stop | None:
        n, best, last = self.patience, progress.best_by_rmse, progress.last
        before, recent = progress.reports[-2 * n : -n], progress.reports[-n:]
        if best is None or len(before) < n or last.train_gap <= self.gap * progress.star:
            return None
        widest_before = max(report.train_gap for report in before)
        rises = min(r.val_rmse for r in recent) > max(r.val_rmse for r in before)
        widens = min(report.train_gap for report in recent) > widest_before
        if not (rises and widens):
            return None
        return self.stop(
            f"validation RMSE {last.val_rmse:.4f} is past its best, {best.val_rmse:.4f} in epoch "
            f"{best.epoch}, and {last.train_gap:.3f} above the train RMSE {last.train_rmse:.4f} "
            f"(limit {progress.limit(self.gap)}); in the {n} epochs before the last {n}, the gap "
            f"was at most {widest_before:.3f}",
            brief=f"gap {last.train_gap:.3f}",
        )
