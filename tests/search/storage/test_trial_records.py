"""A trial's record: its hyperparameters, and its end in a few words."""

from __future__ import annotations

from datetime import datetime

import pytest
from optuna.trial import TrialState, create_trial
from recsys_search.search.storage.trials import (
    CONFIG,
    EPOCH_AT,
    LAST_EPOCH,
    RECORD_KEYS,
    WORKER_DIED,
    last_epoch_at,
    trial_record,
)

NOON = datetime(2026, 1, 1, 12)


def record(state=TrialState.PRUNED, *, curve=(), **attrs):
    trial = create_trial(
        state=state,
        value=0.9 if state == TrialState.COMPLETE else None,
        user_attrs=attrs,
        system_attrs={CONFIG: {"kl_weight": 0.01}},
        intermediate_values=dict(enumerate(curve, 1)),
    )
    return trial_record(trial)


def test_a_record_has_the_hyperparameters():
    assert record(reason="r")["config"] == {"kl_weight": 0.01}
    assert {"config", "brief"} <= set(RECORD_KEYS)


def test_the_stored_words_are_shown():
    attrs = {"stop_reason": "plateau", "reason": "flat", "brief": "plateau at 0.9238"}
    assert record(**attrs)["brief"] == "plateau at 0.9238"


@pytest.mark.parametrize(
    ("attrs", "words"),
    [
        ({"stop_reason": "overfit-gap", "reason": "a sentence"}, "overfit gap"),
        ({"state": TrialState.COMPLETE, "reason": "ran", "curve": [0.9, 0.8]}, "all 2 epochs"),
        ({"state": TrialState.COMPLETE, "reason": "the same", "same_as": 3}, "same as trial 3"),
        ({"state": TrialState.FAIL, "reason": "ValueError: no such"}, "ValueError"),
        ({"state": TrialState.FAIL, "reason": WORKER_DIED}, "its process died"),
        ({"state": TrialState.RUNNING}, None),
    ],
)
def test_a_trial_of_an_earlier_version_gets_words_from_its_stop_reason(attrs, words):
    assert record(**attrs)["brief"] == words


@pytest.mark.parametrize(
    ("attrs", "at"),
    [
        ({LAST_EPOCH: {"at": NOON.isoformat(), "epoch_s": 2.0}}, NOON),
        ({EPOCH_AT: NOON.isoformat()}, NOON),
        ({}, None),
    ],
)
def test_the_last_epoch_is_known_from_this_version_and_the_one_before(attrs, at):
    assert last_epoch_at(create_trial(state=TrialState.RUNNING, system_attrs=attrs)) == at
