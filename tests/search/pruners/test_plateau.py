"""Early stops by the forecast of the trial's own curve."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import numpy as np
import pytest
from pytest import approx
from recsys_search.model.evaluation.metrics import Metric
from recsys_search.search.pruners.forecast import forecast
from recsys_search.search.pruners.hopeless import Hopeless
from recsys_search.search.pruners.plateau import Plateau, forecast_rest
from recsys_search.search.running.endings import is_contender

MAX_EPOCHS = {"max_epochs": 40}


def noisy(curve, sd=0.0003):
    return (np.asarray(curve) + np.random.default_rng(0).normal(0, sd, len(curve))).tolist()


def decay(n, *, level=0.80, drop=0.1, epochs=3.0):
    return noisy([level + drop * exp(-epoch / epochs) for epoch in range(1, n + 1)])


# Plateau.


def test_a_flat_curve_is_a_plateau(progress):
    stop = Plateau().judge(progress(val_rmse=decay(25), config=MAX_EPOCHS))
    assert stop.stop_reason == "plateau"
    assert "is flat by epoch 25: the chance to get below" in stop.reason
    assert "in the 15 epochs left is" in stop.reason


def test_an_early_plateau_behind_the_best_trial_is_reported_as_early(progress):
    curve, config = decay(18, epochs=1.5), {"max_epochs": 24}
    stop = Plateau().judge(progress(val_rmse=curve, config=config, incumbent=0.75))
    assert "is flat by epoch 18 of 24, early for a good config: the chance" in stop.reason


def test_an_early_plateau_of_the_best_trial_is_not_reported_as_early(progress):
    curve, config = decay(18, epochs=1.5), {"max_epochs": 24}
    for incumbent in (None, 0.85):
        stop = Plateau().judge(progress(val_rmse=curve, config=config, incumbent=incumbent))
        assert "is flat by epoch 18: the chance" in stop.reason


def test_a_falling_curve_continues(progress):
    falling = noisy([0.9 - 0.003 * epoch for epoch in range(1, 26)])
    assert Plateau().judge(progress(val_rmse=falling, config=MAX_EPOCHS)) is None


def test_a_curve_that_no_shape_fits_continues(progress):
    """Noise of 0.05 stars around a constant: anything may follow."""
    wild = noisy([0.85] * 25, sd=0.05)
    assert Plateau().judge(progress(val_rmse=wild, config=MAX_EPOCHS)) is None


def test_one_check_is_not_enough(progress):
    """The curve is flat in its last epoch only, so it continues."""
    curve = decay(25)
    first = next(
        n
        for n in range(6, 26)
        if Plateau(checks=1).judge(progress(val_rmse=curve[:n], config=MAX_EPOCHS))
    )
    assert Plateau().judge(progress(val_rmse=curve[:first], config=MAX_EPOCHS)) is None
    assert Plateau().judge(progress(val_rmse=curve[: first + 1], config=MAX_EPOCHS)) is not None


def test_a_flat_curve_that_may_still_beat_the_incumbent_continues(progress):
    """An incumbent slightly better is within reach; one far better is not."""
    curve = decay(25, level=0.80)
    near, far = min(curve) - 0.0002, 0.75
    assert Plateau().judge(progress(val_rmse=curve, config=MAX_EPOCHS, incumbent=far)) is not None
    assert Plateau().judge(progress(val_rmse=curve, config=MAX_EPOCHS, incumbent=near)) is None


def test_a_leading_trial_has_only_its_own_best_to_beat(progress):
    curve = decay(25, level=0.80)
    assert Plateau().judge(progress(val_rmse=curve, config=MAX_EPOCHS, incumbent=0.85)) is not None


@pytest.mark.parametrize(
    "warmup",
    [
        {"kl_schedule": "linear", "kl_warmup_epochs": 25.0},
        {"kl_schedule": "cyclical", "kl_cycles": 2},
        {"lr_warmup_epochs": 22.0},
    ],
)
def test_warmup_epochs_are_not_used(progress, warmup):
    assert Plateau().judge(progress(val_rmse=decay(25), config={**MAX_EPOCHS, **warmup})) is None


def test_a_curve_with_a_gap_is_not_forecast(progress):
    run = progress(val_rmse=[*decay(20), float("nan"), *decay(4)], config=MAX_EPOCHS)
    assert forecast_rest(run.config, [report.val_rmse for report in run.reports]) is None


def test_a_falling_curve_continues_after_an_epoch_that_is_not_finite(progress):
    falling = [float("nan"), *(0.9 - 0.003 * epoch for epoch in range(1, 26))]
    assert Plateau().judge(progress(val_rmse=falling, config=MAX_EPOCHS)) is None


# The forecast.


def test_a_forecast_continues_a_decay():
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


def test_after_the_last_epoch_nothing_is_forecast():
    assert forecast([0.8] * 10, first_epoch=31, max_epochs=40).chance_below(1.0) == 0.0


def test_a_shorter_tail_leaves_more_open():
    """Six flat epochs say less than twenty."""
    few, many = (forecast(noisy([0.8] * n), first_epoch=3, max_epochs=60) for n in (6, 20))
    assert few.chance_below(0.79) > many.chance_below(0.79)


def mirrored(progress):
    """The same trial with a metric to maximise, whose values are 2 minus the RMSE."""
    metric = Metric(
        name="val_mirrored", label="mirrored RMSE", direction="maximize", compute=lambda _: 0.0
    )
    reports = [
        replace(report, metrics={"val_mirrored": 2 - report.val_rmse})
        for report in progress.reports
    ]
    return replace(
        progress,
        reports=reports,
        metric=metric,
        incumbent=progress.incumbent and 2 - progress.incumbent,
        ended=[[2 - value for value in curve] for curve in progress.ended],
    )


def test_a_flat_curve_of_a_maximised_metric_is_a_plateau(progress):
    flat = [0.9 - 0.1 * (1 - 0.5**epoch) for epoch in range(1, 26)]
    trial = progress(val_rmse=flat, config={"max_epochs": 40}, incumbent=0.7)
    stop, mirrored_stop = Plateau().judge(trial), Plateau().judge(mirrored(trial))
    assert "the chance to get below" in stop.reason
    assert "mirrored RMSE 1.2000" in mirrored_stop.reason
    assert "the chance to get above 1.2010" in mirrored_stop.reason
    assert stop.reason.rpartition("left is")[2] == mirrored_stop.reason.rpartition("left is")[2]


def test_a_maximised_metric_is_hopeless_where_its_mirror_image_is(progress):
    curves = [[0.9 - 0.01 * epoch for epoch in range(20)] for _ in range(4)]
    trial = progress(val_rmse=[1.2] * 10, incumbent=0.71, ended=curves)
    stop, mirrored_stop = Hopeless().judge(trial), Hopeless().judge(mirrored(trial))
    assert stop.reason.rpartition(" is ")[2] == mirrored_stop.reason.rpartition(" is ")[2]
    assert "mirrored RMSE 0.8000 by epoch 10" in mirrored_stop.reason
    near = progress(val_rmse=[0.72] * 10, incumbent=0.71, ended=curves)
    assert not is_contender(near)
    assert not is_contender(mirrored(near))
    assert is_contender(mirrored(progress(val_rmse=[0.715] * 3, incumbent=0.71)))
