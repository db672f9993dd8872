"""What a listener receives while a study runs."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from recsys_search.search.running.events import (
    EpochEnded,
    Notice,
    StudyEnded,
    StudyStarted,
    TrialEnded,
    TrialStarted,
    broadcast,
)


def test_events_arrive_in_the_order_in_which_things_happen(workplace):
    events = []
    workplace.start(workplace.write_study(trials=1), events.append)
    assert [type(event) for event in events] == [
        StudyStarted,
        TrialStarted,
        EpochEnded,
        EpochEnded,
        TrialEnded,
        StudyEnded,
    ]
    started, trial, first, second, ended, end = events
    assert (started.spec.name, started.n_done) == ("small", 0)
    assert (trial.number, trial.config.architecture, trial.label) == (0, "two_tower", None)
    assert [first.report.epoch, second.report.epoch] == [1, 2]
    assert ended.record == ended.best
    assert ended.progress.bias_val_rmse > 0
    assert (end.reason, end.failed) == (None, False)
    assert ended.record["val_rmse"] == min(first.report.val_rmse, second.report.val_rmse)


def test_every_listener_of_a_broadcast_receives_every_event_in_order():
    received = []
    listener = broadcast(
        lambda event: received.append(("a", event)), lambda event: received.append(("b", event))
    )
    first, second = Notice("first"), Notice("second")
    listener(first)
    listener(second)
    assert received == [("a", first), ("b", first), ("a", second), ("b", second)]


def test_a_listener_that_fails_ends_no_trial_and_keeps_no_other_from_listening(workplace):
    def fail(event):
        raise OSError("no space left")

    received = []
    with pytest.warns(UserWarning, match="^a listener failed with OSError: ") as caught:
        reader = workplace.start(workplace.write_study(), broadcast(fail, received.append))
    failures = [each for each in caught if "no space left" in str(each.message)]
    assert len(failures) == 1
    assert [trial["state"] for trial in reader.trials()] == ["complete", "complete"]
    assert sum(isinstance(event, TrialEnded) for event in received) == 2


def test_a_single_listener_that_fails_ends_no_trial(workplace):
    def fail(event):
        raise OSError("no space left")

    with pytest.warns(UserWarning, match="^a listener failed with OSError: no space left; "):
        reader = workplace.start(workplace.write_study(trials=1), fail)
    assert [trial["state"] for trial in reader.trials()] == ["complete"]


def test_events_cannot_be_changed_by_a_listener():
    with pytest.raises(FrozenInstanceError):
        Notice("as it was").message = "changed"
