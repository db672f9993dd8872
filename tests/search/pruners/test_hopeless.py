"""Trials that have no chance to catch up."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from pytest import approx
from recsys_search.search.pruners.hopeless import Hopeless, expected_end, jumpiness


def others(*falls, n=10, at=5, final=0.80):
    """Curves that are flat, then fall by the given amounts after epoch `at`."""
    return [[final + fall] * at + [final] * (n - at) for fall in falls]


SMALL_FALLS = others(0.010, 0.012, 0.008, 0.011)


def test_a_trial_that_is_far_behind_is_hopeless(progress):
    trial = progress(n=5, val_rmse=0.85, incumbent=0.80, ended=SMALL_FALLS)
    stop = Hopeless().judge(trial)
    assert stop.stop_reason == "hopeless"
    assert stop.reason.startswith("validation RMSE 0.8500 by epoch 5 should end at 0.82")
    assert (
        "judging by the 4 hybrid trials that ran longer; the chance to come within" in stop.reason
    )
    assert " within 0.006 of the best trial's 0.8000 is " in stop.reason
    assert stop.reason.endswith("% (limit 5%)")


def test_one_trial_is_enough_where_the_study_says_so(progress):
    trial = progress(n=5, val_rmse=0.90, incumbent=0.80, ended=others(0.010))
    assert "by the 1 hybrid trial that ran longer;" in Hopeless(ended=1).judge(trial).reason
    assert Hopeless(ended=2).judge(trial) is None


def test_a_trial_that_may_catch_up_continues(progress):
    trial = progress(n=5, val_rmse=0.812, incumbent=0.80, ended=SMALL_FALLS)
    assert Hopeless().judge(trial) is None


def test_the_best_epoch_counts_not_the_last(progress):
    """A trial that was good and had one bad epoch may recover."""
    run = [0.90, 0.85, 0.811, 0.85, 0.85]
    assert Hopeless().judge(progress(val_rmse=run, incumbent=0.80, ended=SMALL_FALLS)) is None


def test_curves_that_jump_leave_more_open(progress):
    """The same levels and ends; but every second epoch of the others is 0.03 stars higher."""
    calm = others(0.010, 0.012, 0.008, 0.011)
    jumpy = [[v + 0.03 * (e % 2) for e, v in enumerate(curve)] for curve in calm]
    trial = {"n": 5, "val_rmse": 0.84, "incumbent": 0.80}
    assert Hopeless().judge(progress(**trial, ended=calm)) is not None
    assert Hopeless().judge(progress(**trial, ended=jumpy)) is None


def test_near_sets_how_close_a_trial_must_come(progress):
    trial = progress(n=5, val_rmse=0.835, incumbent=0.80, ended=SMALL_FALLS)
    assert Hopeless(near=0.0).judge(trial) is not None
    assert Hopeless(near=0.03).judge(trial) is None


@pytest.mark.parametrize(
    "others_known",
    [
        {"incumbent": None, "ended": others(0.01, 0.01, 0.01, 0.01)},
        {"incumbent": 0.80, "ended": []},
    ],
)
def test_nothing_is_judged_without_ended_trials(progress, others_known):
    assert Hopeless().judge(progress(n=5, val_rmse=0.95, **others_known)) is None


def test_a_curve_that_ended_by_this_epoch_is_not_used(progress):
    """A budget cut these trials short: their curves ended, rather than falling by 0."""
    cut_short = [[0.9, 0.85, 0.8, 0.8, 0.8]] * 5
    trial = {"val_rmse": 0.95, "incumbent": 0.80, "ended": cut_short}
    assert Hopeless().judge(progress(n=5, **trial)) is None
    assert Hopeless().judge(progress(n=4, **trial)) is not None


def test_a_trial_that_is_near_the_best_already_is_never_hopeless(progress):
    """It is better than any other trial ever was, and the line leads back up to them."""
    completed = [[level] * 5 + [0.86] * 5 for level in np.linspace(0.865, 0.965, 40)]
    trial = progress(n=5, val_rmse=0.804, incumbent=0.80, ended=completed)
    assert Hopeless().judge(trial) is None
    assert expected_end(0.804, 5, completed).mean == 0.804


def test_the_first_epoch_is_judged_if_enough_others_have_ended(progress):
    trial = {"n": 1, "incumbent": 0.80, "ended": SMALL_FALLS}
    assert Hopeless().judge(progress(val_rmse=0.95, **trial)) is not None
    assert Hopeless().judge(progress(val_rmse=0.82, **trial)) is None


def test_the_warmup_epochs_are_not_judged(progress):
    trial = {"val_rmse": 0.95, "incumbent": 0.80, "ended": SMALL_FALLS}
    assert Hopeless(warmup_epochs=4).judge(progress(n=4, **trial)) is None
    assert Hopeless(warmup_epochs=4).judge(progress(n=5, **trial)) is not None


# What is expected.


def test_with_one_curve_a_lagging_trial_catches_up_by_the_prior_slope():
    """It fell by 0.02 to 0.80; 0.05 behind at the same epoch means 0.7 of that at the end.

    The noise variance is the guess, 0.006**2 (0.3 of the fall) + 0.001**2 = 3.7e-5, because one
    trial gives no information on it. The slope's standard deviation of 0.2 amounts to 0.01 at that
    distance; the level is as uncertain as one value. It would have to fall by 0.035, 0.015 more
    than the other one did, and 0.4 of that is in doubt.
    """
    [curve] = others(0.02)
    expected = expected_end(0.87, 5, [curve])
    assert expected.mean == approx(0.835, abs=1e-5)
    assert expected.freedom == 8
    # The slope's variance is in units of the noise's, which is scaled up by 8 / 7 and back.
    scale = sqrt(3.7e-5 + 3.7e-5 + 7 / 8 * 0.01**2 + (0.4 * 0.015) ** 2)
    assert expected.scale == approx(scale, rel=1e-3)
    assert expected.sd == approx(scale * sqrt(8 / 6), rel=1e-3)


def test_many_curves_overrule_the_prior_slope():
    """The others' ends differ by 0.1 of what their levels differed by."""
    levels = np.linspace(0.85, 1.05, 400)
    curves = [[level] * 5 + [0.80 + 0.1 * (level - 0.85)] * 5 for level in levels]
    assert expected_end(1.05, 5, curves).mean == approx(0.82, abs=0.003)


def test_a_trial_level_with_the_others_ends_like_them():
    assert expected_end(0.81, 5, others(0.01, 0.01)).mean == approx(0.80, abs=1e-6)


def test_jumpiness_is_the_noise_of_an_epoch_for_any_curve():
    rng = np.random.default_rng(0)
    course = 0.8 + 0.2 * np.exp(-np.arange(4000) / 800)
    noisy = course + rng.normal(0, 0.004, len(course))
    assert jumpiness([noisy.tolist()]) == approx(0.004, rel=0.05)
    of_a_trial = 0.8 + 0.2 * np.exp(-np.arange(30) / 4)
    assert jumpiness([of_a_trial.tolist()]) < 5e-4


def test_a_curve_of_two_epochs_has_no_jumpiness():
    assert jumpiness([[0.9, 0.8]]) == 0.0
