"""The reason of a stop in a few words, for a table whose rows are one line each."""

from __future__ import annotations

from math import exp

import numpy as np
import optuna
import pytest
from recsys_search.model.evaluation.metrics import VAL_RMSE, Metric
from recsys_search.search.pruners.table import PRUNERS, read_pruner

SHARE = Metric(name="x", label="share", direction="maximize", compute=lambda predictions: 0.0)

OTHERS = [[0.80 + fall] * 5 + [0.80] * 5 for fall in (0.010, 0.012, 0.008, 0.011)]
NOISE = np.random.default_rng(0).normal(0, 0.0003, 25)
FLAT = [0.80 + 0.1 * exp(-epoch / 3) + noise for epoch, noise in enumerate(NOISE, 1)]

# Pruner -> its settings, the progress that it stops, and the words.
RULES = {
    "collapse": ({}, {"n": 3, "active": 0, "shuffle_cost": 0.0, "val_rmse": 0.87}, "latents"),
    "divergence": ({}, {"val_rmse": [1.31, 1.4, 1.5]}, "diverged"),
    "overfit_gap": (
        {},
        {
            "val_rmse": [0.84, 0.83, 0.84, 0.85, 0.86, 0.87],
            "train_rmse": [0.80, 0.77, 0.75, 0.72, 0.70, 0.69],
        },
        "gap 0.180",
    ),
    "plateau": ({}, {"val_rmse": FLAT, "config": {"max_epochs": 40}}, "plateau at 0.79"),
    "hopeless": (
        {},
        {"n": 5, "val_rmse": 0.85, "incumbent": 0.80, "ended": OTHERS},
        "would end at 0.82",
    ),
    "gpu_memory": ({}, {"gpu_memory_share": [0.5, 0.93]}, "GPU memory 93%"),
    "budget": ({"epochs": 3}, {"n": 3}, "budget: 3 epochs"),
}
OPTUNAS = {
    "median": ({}, "above the median"),
    "percentile": ({"percentile": 12.5}, "above the 12.5th percentile"),
    "successive_halving": ({}, "not promoted"),
    "hyperband": ({}, "not promoted"),
}


def test_every_pruner_is_checked_here():
    assert {*RULES, *OPTUNAS} == set(PRUNERS)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_has_its_reason_in_at_most_four_words(name, progress):
    settings, figures, start = RULES[name]
    stop = read_pruner({name: settings}).judge(progress(**figures))
    assert stop.brief.startswith(start)
    assert len(stop.brief.split()) <= 4


def test_a_budget_of_seconds_is_named(progress):
    stop = read_pruner({"budget": {"seconds": 5}}).judge(progress(n=3))
    assert stop.brief == "budget: 6 s"


def test_one_collapsed_tower_of_two_is_named(progress):
    figures = {
        "active": {"user": 30, "film": 0},
        "shuffle_cost": {"user": 0.4, "film": 0.0},
        "eval_kl": {"user": 9.0, "film": 0.01},
        "val_rmse": 0.87,
    }
    stop = read_pruner("collapse").judge(progress(n=3, towers=("user", "film"), **figures))
    assert stop.brief == "film latents collapsed"


@pytest.mark.parametrize("name", OPTUNAS)
def test_a_pruner_of_optunas_has_its_reason_in_at_most_four_words(name):
    settings, words = OPTUNAS[name]
    pruner, study = read_pruner({name: settings}), optuna.create_study()
    for value in (0.8, 0.9):
        trial = study.ask()
        trial.report(value, 1)
        study.tell(trial, value)
    last = study.get_trials()[-1]
    assert pruner.stop(study, last, VAL_RMSE).brief == words
    assert len(words.split()) <= 4


def test_a_worse_value_of_a_maximised_metric_is_below():
    assert read_pruner("median").brief(SHARE) == "below the median"
