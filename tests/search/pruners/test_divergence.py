"""Training that has become unstable."""

from __future__ import annotations

from math import inf, nan

import pytest
from recsys_search.search.pruners.divergence import Divergence

WORSE = [0.85, 0.84, 0.83, 0.9, 0.95, 1.0]


@pytest.mark.parametrize("figures", [{"train_loss": [0.8, nan]}, {"val_rmse": [0.85, inf]}])
def test_a_loss_or_rmse_that_is_not_finite_ends_the_trial_at_once(progress, figures):
    stop = Divergence().judge(progress(**figures))
    assert stop.stop_reason == "diverged"
    assert "in epoch 2, at learning rate 0.0003 and KL weight 0.01" in stop.reason


@pytest.mark.parametrize(
    ("field", "name"),
    [("train_loss", "loss"), ("grad_norm", "gradient norm before clipping"), ("kl", "KL")],
)
def test_ten_times_the_trials_own_median_for_three_epochs_is_divergence(progress, field, name):
    exploding = {field: [1.0, 3.0, 2.0, 20.1, 20.1, 25.0], "val_rmse": WORSE}
    stop = Divergence().judge(progress(**exploding))
    assert stop.reason.startswith(
        f"{name} 25 in epoch 6 is over 10 times its median, 2, for 3 epochs, and validation RMSE "
        "rose from 0.8300 to 1.0000"
    )
    assert (
        Divergence().judge(progress(**{**exploding, field: [1.0, 3.0, 2.0, 20.1, 19.9, 25.0]}))
        is None
    )


def test_a_kl_that_grows_while_validation_improves_is_not_divergence(progress):
    """As in the first epochs of a warm-up."""
    waking = {"kl": [0.1, 0.1, 0.1, 5.0, 6.0, 7.0], "val_rmse": [1.0, 0.98, 0.95, 0.92, 0.9, 0.89]}
    assert Divergence().judge(progress(**waking)) is None


def test_a_median_of_fewer_than_three_epochs_is_not_used(progress):
    young = {"train_loss": [1.0, 1.0, 50.0, 50.0, 50.0], "val_rmse": WORSE[1:]}
    assert Divergence().judge(progress(**young)) is None


def test_1_5_times_the_bias_rmse_for_three_epochs_is_divergence(progress):
    stop = Divergence().judge(progress(val_rmse=[1.31, 1.4, 1.5]))
    assert (
        "validation RMSE 1.5000 in epoch 3 is over 1.5 times the bias baseline's 0.8700"
        in stop.reason
    )
    assert Divergence().judge(progress(val_rmse=[1.3, 1.4, 1.5])) is None
    assert Divergence().judge(progress(val_rmse=[1.4, 1.5])) is None


def test_a_step_that_the_loss_scaler_skipped_is_not_divergence(progress):
    """An epoch of nothing but such steps has no gradient norm at all."""
    assert (
        Divergence().judge(progress(grad_norm=[1.0, 1.0, 1.0, nan, nan, nan], val_rmse=WORSE))
        is None
    )
