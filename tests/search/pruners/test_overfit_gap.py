"""Validation past its best, and train running away from it."""

from __future__ import annotations

import pytest
from recsys_search.search.pruners.overfit_gap import OverfitGap

RISING = [0.84, 0.83, 0.84, 0.85, 0.86]  # best in epoch 2
FALLING = [0.80, 0.75, 0.72, 0.70, 0.69]


def test_a_wide_and_widening_gap_past_the_best_is_overfitting(seen):
    stop = OverfitGap().judge(seen(val_rmse=RISING, train_rmse=FALLING))
    assert stop.stop_reason == "overfit-gap"
    assert stop.reason == (
        "validation RMSE 0.8600 is past its best, 0.8300 in epoch 2, and 0.170 above the train "
        "RMSE 0.6900 (limit 0.15); 3 epochs before, the gap was 0.080"
    )


@pytest.mark.parametrize(
    "figures",
    [
        {"train_rmse": [0.80, 0.75, 0.75, 0.74, 0.72]},  # 0.14 wide
        {"train_rmse": [0.60, 0.50, 0.50, 0.60, 0.70]},  # closing
        {"val_rmse": [0.90, 0.89, 0.88, 0.87, 0.86]},  # still improving
        {"val_rmse": [0.90, 0.89, 0.83, 0.85, 0.86]},  # best two epochs ago
    ],
)
def test_every_sign_is_needed(seen, figures):
    assert (
        OverfitGap().judge(seen(**{"val_rmse": RISING, "train_rmse": FALLING, **figures})) is None
    )


def test_without_a_finite_rmse_there_is_no_gap(seen):
    assert OverfitGap().judge(seen(n=5, val_rmse=float("nan"))) is None
