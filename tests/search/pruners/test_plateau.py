"""Early stops by what the rest of the trial's own curve may bring."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from pytest import approx
from recsys_search.search.pruners.forecast import forecast
from recsys_search.search.pruners.plateau import Plateau, curve_ahead

MAX_EPOCHS = {"max_epochs": 40}


def noisy(curve, sd=0.0003):
    return (np.asarray(curve) + np.random.default_rng(0).normal(0, sd, len(curve))).tolist()


def decay(n, *, level=0.80, drop=0.1, epochs=3.0):
    return noisy([level + drop * exp(-epoch / epochs) for epoch in range(1, n + 1)])


# Plateau.


def test_a_level_curve_is_a_plateau(seen):
    stop = Plateau().judge(seen(val_rmse=decay(25), config=MAX_EPOCHS))
    assert stop.stop_reason == "plateau"
    assert "is level by epoch 25: the chance to fall below" in stop.reason
    assert "in the 15 epochs left is" in stop.reason


def test_an_early_plateau_far_from_the_best_trial_is_told_as_a_bad_sign(seen):
    curve, config = decay(18, epochs=1.5), {"max_epochs": 24}
    stop = Plateau().judge(seen(val_rmse=curve, config=config, incumbent=0.75))
    assert "is level by epoch 18 of 24, early for a config that will do: the chance" in stop.reason


def test_an_early_plateau_of_the_best_trial_is_no_bad_sign(seen):
    curve, config = decay(18, epochs=1.5), {"max_epochs": 24}
    for incumbent in (None, 0.85):
        stop = Plateau().judge(seen(val_rmse=curve, config=config, incumbent=incumbent))
        assert "is level by epoch 18: the chance" in stop.reason


def test_a_falling_curve_is_left_to_go_on(seen):
    falling = noisy([0.9 - 0.003 * epoch for epoch in range(1, 26)])
    assert Plateau().judge(seen(val_rmse=falling, config=MAX_EPOCHS)) is None


def test_a_curve_that_no_shape_fits_is_left_to_go_on(seen):
    """Noise of 0.05 stars around a level: anything may come."""
    wild = noisy([0.85] * 25, sd=0.05)
    assert Plateau().judge(seen(val_rmse=wild, config=MAX_EPOCHS)) is None


def test_one_check_is_not_enough(seen):
    """With its last epoch level and the one before still falling, the curve may go on."""
    curve = decay(25)
    first = next(
        n
        for n in range(6, 26)
        if Plateau(checks=1).judge(seen(val_rmse=curve[:n], config=MAX_EPOCHS))
    )
    assert Plateau().judge(seen(val_rmse=curve[:first], config=MAX_EPOCHS)) is None
    assert Plateau().judge(seen(val_rmse=curve[: first + 1], config=MAX_EPOCHS)) is not None


def test_a_level_curve_that_may_still_beat_the_incumbent_goes_on(seen):
    """An incumbent a hair below is within the noise; one far below is out of reach."""
    curve = decay(25, level=0.80)
    near, far = min(curve) - 0.0002, 0.75
    assert Plateau().judge(seen(val_rmse=curve, config=MAX_EPOCHS, incumbent=far)) is not None
    assert Plateau().judge(seen(val_rmse=curve, config=MAX_EPOCHS, incumbent=near)) is None


def test_the_leader_has_only_himself_to_beat(seen):
    curve = decay(25, level=0.80)
    assert Plateau().judge(seen(val_rmse=curve, config=MAX_EPOCHS, incumbent=0.85)) is not None


@pytest.mark.parametrize(
    "warmup",
    [
        {"kl_schedule": "linear", "kl_warmup_epochs": 25.0},
        {"kl_schedule": "cyclical", "kl_cycles": 2},
        {"lr_warmup_epochs": 22.0},
    ],
)
def test_epochs_of_a_warmup_tell_nothing(seen, warmup):
    assert Plateau().judge(seen(val_rmse=decay(25), config={**MAX_EPOCHS, **warmup})) is None


def test_a_curve_with_a_gap_is_not_forecast(seen):
    run = seen(val_rmse=[*decay(20), float("nan"), *decay(4)], config=MAX_EPOCHS)
    assert curve_ahead(run.config, [report.val_rmse for report in run.reports]) is None


# The forecast.


def test_a_forecast_knows_a_decay_it_has_seen():
    """0.8 + 0.1 exp(-t / 8) after 20 of 40 epochs: 0.8082 now, 0.8007 at the end."""
    curve = [0.8 + 0.1 * exp(-epoch / 8) for epoch in range(1, 41)]
    ahead = forecast(curve[:20], first_epoch=1, max_epochs=40)
    assert ahead.mean.shape == ahead.scale.shape == (20, len(ahead.weight))
    assert ahead.weight.sum() == approx(1)
    assert float(ahead.mean[-1] @ ahead.weight) == approx(curve[-1], abs=0.002)
    assert ahead.chance_below(0.806) > 0.9
    assert ahead.chance_below(0.79) < 0.1


def test_a_chance_grows_with_the_value_and_with_the_noise():
    calm, loud = (
        forecast(noisy([0.8] * 15, sd), first_epoch=3, max_epochs=40) for sd in (3e-4, 3e-3)
    )
    chances = [calm.chance_below(value) for value in (0.78, 0.79, 0.80, 0.81)]
    assert chances == sorted(chances)
    assert loud.chance_below(0.79) > calm.chance_below(0.79)
    assert calm.noise < loud.noise


def test_after_the_last_epoch_nothing_is_to_come():
    assert forecast([0.8] * 10, first_epoch=31, max_epochs=40).chance_below(1.0) == 0.0


def test_a_shorter_tail_leaves_more_open():
    """Six epochs of a level say less than twenty."""
    few, many = (forecast(noisy([0.8] * n), first_epoch=3, max_epochs=60) for n in (6, 20))
    assert few.chance_below(0.79) > many.chance_below(0.79)
