"""The report's first two sentences."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recsys_search.search.report.verdict import describe_end, verdict

CONFIG = {"architecture": "two_tower", "max_epochs": 3}


@pytest.fixture
def won(study, make_trial):
    """Makes a study that trial 3 has won with RMSE 0.8; known config `plain` reached 0.85."""

    def make(*, trials=None, confirmed=None, ties=(), **status):
        trials = trials or [
            make_trial(0, value=0.85, val_rmse=0.85, known_config="plain", state="complete"),
            make_trial(3, value=0.8, val_rmse=0.8, val_mse=0.64, state="complete", config=CONFIG),
        ]
        best = {"number": 3, "val_rmse": 0.8, "val_mse": 0.64}
        defaults = {"best": best, "bias_val_rmse": 0.9, "confirmed": confirmed, "state": "done"}
        leader = [{"number": 3, "tie": False, **confirmed}] if confirmed else []
        others = [{"number": number, "tie": True, "mean": 0.81} for number in ties]
        return replace(
            study,
            trials=trials,
            confirmation=[*leader, *others],
            status={**study.status, **defaults, **status},
        )

    return make


CONFIRMED = {"number": 3, "mean": 0.81, "low": 0.8, "high": 0.82, "seeds": 5, "splits": 5}


def against(mean, low, high):
    known = {"trial": 0, "name": "plain", "mean": mean, "low": low, "high": high}
    return {**CONFIRMED, "against": known}


def test_an_unconfirmed_winner_is_compared_with_the_biases_and_the_known_config(won):
    assert verdict(won())[0] == (
        "Trial 3 (two_tower) won with validation RMSE 0.8000 (MSE 0.6400), 0.1000 below the "
        "RMSE 0.9000 of the bias baseline, and better than the known config plain by 0.0500; "
        "this is one training on one split: confirm it before you rely on it."
    )


def test_a_winner_that_is_worse_than_the_biases_is_above_them(won):
    assert "0.0500 above the RMSE 0.7500 of the bias" in verdict(won(bias_val_rmse=0.75))[0]


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        ((0.02, 0.01, 0.03), "better than plain (trial 0) by 0.0200 [0.0100, 0.0300]."),
        ((-0.02, -0.03, -0.01), "worse than plain (trial 0) by 0.0200 [0.0100, 0.0300]."),
        ((0.01, -0.01, 0.03), "better than plain (trial 0) by 0.0100 [-0.0100, 0.0300], a tie."),
        (
            (None, None, None),
            "this is the known config plain: the search found none that is bet",
        ),
    ],
)
def test_a_confirmed_winner_has_its_distance_from_the_known_config(distance, text, won):
    sentence = verdict(won(confirmed=against(*distance)))[0]
    mean = "; confirmed over 5 seeds and splits: 0.8100 [0.8000, 0.8200]; "
    assert mean in sentence
    assert text in sentence


def test_a_winner_confirmed_on_one_split_without_a_known_config(won):
    confirmed = {**CONFIRMED, "splits": 1, "against": None}
    assert verdict(won(confirmed=confirmed))[0].endswith(
        "; confirmed over 5 seeds, all on the search's own split: 0.8100 [0.8000, 0.8200]."
    )


def test_a_known_config_that_won_is_named(won, make_trial):
    only = make_trial(
        3, value=0.8, val_rmse=0.8, known_config="plain", state="complete", config=CONFIG
    )
    assert ", and is the known config plain; this is one training" in verdict(won(trials=[only]))[0]


def test_without_a_completed_trial_there_is_no_winner(won, make_trial):
    lost = won(trials=[make_trial(0, state="failed", value=None)], best=None)
    assert verdict(lost)[0] == "No trial of small has completed, so it has no winner yet."


@pytest.mark.parametrize("state", ["running", "paused", "stopped"])
def test_while_the_search_is_not_over_a_trial_leads(state, won):
    assert verdict(won(state=state))[0].startswith("Trial 3 (two_tower) leads with ")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"state": "done", "total": 12}, "ran all 12 trials"),
        ({"state": "done", "total": 1}, "ran its one trial"),
        ({"state": "finished"}, "ran 7 of 12 trials and ended by itself, because the others were "),
        ({"state": "target reached"}, "ran 7 of 12 trials and ended when the target was reached"),
        (
            {"state": "paused", "budget_spent": "X is spent"},
            "7 of 12 trials and ended because X is",
        ),
        ({"state": "paused"}, "ran 7 of 12 trials and is paused"),
        ({"state": "stopped"}, "ran 7 of 12 trials and is stopped"),
        ({"state": "running"}, "ran 7 of 12 trials and is running"),
    ],
)
def test_how_the_search_ended(status, text, won):
    assert text in describe_end(won(**{"done": 7, "total": 12, "budget_spent": None, **status}))


def test_the_second_sentence_says_what_the_search_cost(won, make_trial):
    """Two trials of 3 epochs completed; a third was stopped after 1 of 3."""
    trials = [
        *won().trials,
        make_trial(5, state="pruned", stop_reason="median", epochs=1, config=CONFIG),
    ]
    study = won(
        trials=trials,
        epochs=7,
        elapsed_s=7200,
        cost_usd=1.5,
        failed=2,
        done=12,
        total=12,
        epochs_saved=0.22,
    )
    assert verdict(study)[1] == (
        "The search ran all 12 trials; it cost 7 epochs, 2.0 h, 1.50 USD, and stopped 1 trial "
        "early, 2 failed, which saved 22% of the epochs."
    )


def test_a_tie_with_the_winner_is_part_of_the_verdict(won):
    confirmed = against(0.02, 0.01, 0.03)
    assert verdict(won(confirmed=confirmed, ties=[7, 9]))[0].endswith("; a tie with trial 7, 9.")
