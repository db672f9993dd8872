"""The cost of a study, and its budget."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from optuna.trial import TrialState, create_trial
from recsys_search.errors import ConfigError
from recsys_search.search.definition.budget import Budget, Spending
from recsys_search.search.running import study_progress as module
from recsys_search.search.running.study_progress import spending
from recsys_search.search.storage.trials import EPOCH_AT, WORKER_DIED

NOON = datetime(2026, 1, 1, 12)


def trial(start_s, end_s, number=0, epochs=2):
    done = create_trial(
        state=TrialState.COMPLETE,
        value=1.0,
        intermediate_values=dict.fromkeys(range(1, epochs + 1), 1.0),
    )
    done.number = number
    done.datetime_start = NOON + timedelta(seconds=start_s)
    done.datetime_complete = NOON + timedelta(seconds=end_s)
    return done


def test_time_counts_once_for_concurrent_trials():
    """0 to 10 and 5 to 20 overlap; 100 to 101 follows after a break."""
    trials = [trial(0, 10, number=0), trial(5, 20, number=1), trial(100, 101, number=2)]
    assert spending(trials) == Spending(6, 21.0)


@pytest.mark.parametrize(
    "reason", [{}, {"reason": WORKER_DIED}]
)  # before it is detected, and after
def test_a_killed_trial_counts_up_to_its_last_epoch(reason):
    """A trial found dead the next morning has not run through the night."""
    killed = trial(0, 50_000)
    killed.state, killed.user_attrs = TrialState.FAIL, reason
    assert spending([killed]).seconds == 0.0
    killed.system_attrs = {EPOCH_AT: (NOON + timedelta(seconds=90)).isoformat()}
    assert spending([killed]).seconds == 90.0


def test_a_budget_in_usd_needs_a_price(workplace):
    with pytest.raises(ConfigError, match=r"usd needs usd_per_hour \(--usd-per-hour\)"):
        workplace.start(workplace.write_study(), budget_usd=20.0)


def test_a_study_without_trials_has_cost_nothing():
    assert spending([]) == Spending(0, 0.0)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (Budget(epochs=7), None),
        (Budget(epochs=6), "the study's budget of 6 epochs is spent"),
        (Budget(seconds=7201), None),
        (Budget(seconds=7200), "the study's budget of 7200 s is spent"),
        (Budget(usd=5.01, usd_per_hour=2.5), None),
        (
            Budget(usd=5, usd_per_hour=2.5),
            "the study's budget of 5 USD is spent: 2.00 h at 2.5 USD an hour",
        ),
    ],
)
def test_a_budget_is_exhausted_when_it_is_reached(budget, message):
    assert budget.exhausted(Spending(6, 7200.0)) == message


# A study with two epochs per trial.


def test_a_study_ends_in_the_middle_of_a_trial_when_its_epochs_are_spent(workplace, recorder):
    listener = recorder()
    study = workplace.write_study(budget={"epochs": 3}, trials=9)
    reader = workplace.start(study, listener)
    first, second = reader.trials()
    assert (first["epochs"], second["epochs"]) == (2, 1)
    assert second["stop_reason"] == "budget"
    assert second["reason"] == "the study's budget of 3 epochs is spent"
    assert second["state"] in ("complete", "pruned")
    assert listener.notices[-1] == "the study's budget of 3 epochs is spent"
    assert reader.status()["epochs"] == 3
    assert reader.status()["budget_spent"] == listener.notices[-1]
    assert len(workplace.start(study).trials()) == 2  # the budget is still spent


def test_a_study_reports_its_cost_and_ends_when_its_budget_is_spent(workplace, monkeypatch):
    monkeypatch.setattr(module, "elapsed_s", lambda spans: 7200.0 * len(list(spans)))
    reader = workplace.start(workplace.write_study(trials=9), usd_per_hour=2.0, budget_usd=4.0)
    assert len(reader.trials()) == 1
    assert reader.status()["cost_usd"] >= 4.0


def test_a_study_with_a_raised_budget_continues(workplace):
    study = workplace.write_study(budget={"epochs": 2}, trials=2)
    assert len(workplace.start(study).trials()) == 1
    study = workplace.write_study(budget={"epochs": 20}, trials=2)
    assert len(workplace.start(study).trials()) == 2


def test_a_price_below_zero_is_refused(workplace):
    with pytest.raises(ConfigError, match="usd_per_hour must be greater than 0, got -1"):
        workplace.start(workplace.write_study(), usd_per_hour=-1.0)
