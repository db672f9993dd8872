"""Thresholds are in stars: a rule says the same of ratings on another scale."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from recsys_search.model.evaluation.metrics import METRICS
from recsys_search.search.pruners.collapse import Collapse
from recsys_search.search.pruners.divergence import Divergence
from recsys_search.search.pruners.hopeless import Hopeless
from recsys_search.search.pruners.overfit_gap import OverfitGap
from recsys_search.search.pruners.plateau import Plateau
from recsys_search.search.running.endings import is_contender

FLAT = [0.9, 0.86, 0.83, 0.82, 0.8151, 0.8133, 0.8126, 0.8123, 0.8122, 0.81215, 0.8121, 0.81205]
FALLING = [0.95, 0.93, 0.915, 0.90, 0.89, 0.88, 0.87, 0.861, 0.853, 0.845, 0.838, 0.831]
ENDED = [[0.9, 0.86, 0.83, 0.80, 0.79 + 0.001 * n] for n in range(6)]


def to_scale(progress, star):
    """The same trial on ratings that are multiplied by `star`."""
    power = progress.metric.unit_power
    return replace(
        progress,
        reports=[
            replace(
                report,
                val_rmse=report.val_rmse * star,
                train_rmse=report.train_rmse * star,
                val_mse=report.val_mse * star**2,
                train_mse=report.train_mse * star**2,
            )
            for report in progress.reports
        ],
        bias_val_rmse=progress.bias_val_rmse * star,
        incumbent=progress.incumbent and progress.incumbent * star**power,
        ended=[[value * star**power for value in curve] for curve in progress.ended],
        star=star,
    )


CASES = {
    "overfit": (
        OverfitGap(),
        {
            "val_rmse": [0.80, 0.80, 0.80, 0.81, 0.82, 0.83],
            "train_rmse": [0.7, 0.7, 0.7, 0.66, 0.65, 0.64],
        },
    ),
    "narrow gap": (
        OverfitGap(),
        {
            "val_rmse": [0.80, 0.80, 0.80, 0.81, 0.82, 0.83],
            "train_rmse": [0.75, 0.75, 0.75, 0.74, 0.73, 0.72],
        },
    ),
    "flat": (Plateau(), {"val_rmse": FLAT, "config": {"max_epochs": 14}}),
    "falling": (Plateau(), {"val_rmse": FALLING, "config": {"max_epochs": 14}}),
    "jumping": (
        Plateau(),
        {"val_rmse": [0.9, 0.82, 0.88] + [0.82, 0.88] * 4, "config": {"max_epochs": 14}},
    ),
    "hopeless": (Hopeless(), {"val_rmse": [0.99, 0.98], "incumbent": 0.79, "ended": ENDED}),
    "promising": (Hopeless(), {"val_rmse": [0.88, 0.84], "incumbent": 0.79, "ended": ENDED}),
    "near the best": (Hopeless(), {"val_rmse": [0.796, 0.796], "incumbent": 0.79, "ended": ENDED}),
    "collapsed": (Collapse(), {"val_rmse": [0.869] * 5, "active": 0, "shuffle_cost": 0.0}),
    "dead but improving": (
        Collapse(),
        {"val_rmse": [0.86, 0.85, 0.84, 0.83, 0.82], "active": 0, "shuffle_cost": 0.0},
    ),
    "lost": (Divergence(), {"val_rmse": [1.4, 1.4, 1.4]}),
    "high but not lost": (Divergence(), {"val_rmse": [1.2, 1.2, 1.2]}),
}


@pytest.mark.parametrize("star", [20.0, 0.2, 0.01])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("metric", ["val_rmse", "val_mse"])
def test_a_rule_judges_a_trial_alike_on_every_scale(progress, case, star, metric):
    rule, figures = CASES[case]
    trial = progress(**figures)
    if metric == "val_mse":
        trial = replace(
            trial,
            metric=METRICS["val_mse"],
            incumbent=trial.incumbent and trial.incumbent**2,
            ended=[[value**2 for value in curve] for curve in trial.ended],
        )
    on_stars, elsewhere = rule.judge(trial), rule.judge(to_scale(trial, star))
    assert (on_stars is None) == (elsewhere is None)
    if on_stars and elsewhere:
        chance = re.compile(r"\d+\.\d%")
        assert chance.findall(on_stars.reason) == chance.findall(elsewhere.reason)


def test_of_the_cases_half_are_stopped(progress):
    stopped = {name for name, (rule, figures) in CASES.items() if rule.judge(progress(**figures))}
    assert stopped == {"overfit", "flat", "hopeless", "collapsed", "lost"}


def test_a_contender_is_as_near_to_the_incumbent_on_every_scale(progress):
    near = progress(val_rmse=[0.9, 0.8054], incumbent=0.8)  # a hybrid varies by 0.006 with its seed
    behind = progress(val_rmse=[0.9, 0.8066], incumbent=0.8)
    for star in (20.0, 0.2):
        assert is_contender(to_scale(near, star))
        assert not is_contender(to_scale(behind, star))


def test_a_reason_states_a_threshold_in_stars_and_what_it_is_here(progress):
    trial = progress(**CASES["overfit"][1])
    assert "(limit 0.15);" in OverfitGap().judge(trial).reason
    reason = OverfitGap().judge(to_scale(trial, 100 / 4.5)).reason
    assert reason.startswith(
        "validation RMSE 18.4444 is past its best, 17.7778 in epoch 1, and 4.2"
    )
    assert "(limit 0.15 stars, 3.33 here);" in reason


def test_a_distance_from_the_best_trial_is_in_the_ratings_units(progress):
    trial = progress(**CASES["hopeless"][1])
    assert "to come within 0.006 of the best trial's 0.7900 is" in Hopeless().judge(trial).reason
    reason = Hopeless().judge(to_scale(trial, 20.0)).reason
    assert "to come within 0.12 (0.006 stars) of the best trial's 15.8000 is" in reason
