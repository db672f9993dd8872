"""Validation RMSE past its best, and train RMSE running away from it."""

from __future__ import annotations

import pytest
from recsys_search.search.pruners.overfit_gap import OverfitGap

RISING = [0.84, 0.83, 0.84, 0.85, 0.86, 0.87]  # best in epoch 2
FALLING = [0.80, 0.77, 0.75, 0.72, 0.70, 0.69]


def test_a_wide_and_widening_gap_past_the_best_is_overfitting(progress):
    stop = OverfitGap().judge(progress(val_rmse=RISING, train_rmse=FALLING))
    assert stop.stop_reason == "overfit-gap"
    assert stop.reason == (
        "validation RMSE 0.8700 is past its best, 0.8300 in epoch 2, and 0.180 above the train "
        "RMSE 0.6900 (limit 0.15); in the 3 epochs before the last 3, the gap was at most 0.090"
    )


@pytest.mark.parametrize(
    "figures",
    [
        {"train_rmse": [0.80, 0.77, 0.75, 0.74, 0.74, 0.73]},  # 0.14 wide
        {"train_rmse": [0.60, 0.50, 0.50, 0.60, 0.65, 0.70]},  # closing
        {"val_rmse": [0.92, 0.91, 0.90, 0.89, 0.88, 0.87]},  # still improving
        {"val_rmse": [0.90, 0.89, 0.83, 0.84, 0.85, 0.86]},  # was as high before its best
        {"val_rmse": [0.84, 0.83, 0.84, 0.85, 0.83, 0.87]},  # one bump next to another
    ],
)
def test_every_condition_is_needed(progress, figures):
    trial = progress(**{"val_rmse": RISING, "train_rmse": FALLING, **figures})
    assert OverfitGap().judge(trial) is None


def test_a_rise_needs_as_many_epochs_before_it(progress):
    trial = progress(val_rmse=RISING[1:], train_rmse=FALLING[1:])
    assert OverfitGap().judge(trial) is None
    assert OverfitGap(patience=2).judge(trial) is not None


def test_without_a_finite_rmse_there_is_no_gap(progress):
    assert OverfitGap().judge(progress(n=6, val_rmse=float("nan"))) is None
