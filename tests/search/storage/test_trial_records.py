"""What the records of trials say."""

from __future__ import annotations

import pytest
from optuna.trial import TrialState, create_trial
from recsys_search.search.storage.trials import INTERRUPTED, trial_records, trial_state


def numbered(state, **user_attrs):
    trial = create_trial(state=state, user_attrs=user_attrs)
    trial.number = 0
    return trial


@pytest.mark.parametrize(
    "stored", [{"stop_reason": INTERRUPTED}, {"stop_reason": INTERRUPTED, "reason": "Ctrl-C"}]
)
def test_a_trial_that_is_storing_how_it_ends_still_runs(stored):
    """Another process may read it between any two of the writes."""
    trial = numbered(TrialState.RUNNING, **stored)
    assert trial_state(trial) == "running"
    [record] = trial_records([trial])
    assert record["state"] == "running"
    assert record["reason"] == stored.get("reason")


def test_an_interrupted_trial_waits_until_it_is_queued_again():
    trial = numbered(TrialState.FAIL, stop_reason=INTERRUPTED, reason="Ctrl-C in epoch 3")
    [record] = trial_records([trial])
    assert record["state"] == INTERRUPTED
    assert record["reason"] == "Ctrl-C in epoch 3; it waits to be resumed"
