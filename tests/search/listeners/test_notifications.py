"""Which events become messages to people, and how often."""

from __future__ import annotations

import pytest
from recsys_search.model.evaluation.metrics import VAL_RMSE
from recsys_search.search.listeners.notifications import INTERVAL_S, Notifications
from recsys_search.search.notifications.endpoints import open_options
from recsys_search.search.running.events import Notice, StudyEnded, TrialEnded, Trouble
from recsys_search.search.running.study_progress import StudyProgress


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def notifications(inbox, clock, tmp_path):
    """Its storage does not exist, so that a verdict cannot be read."""
    storage = f"sqlite:///{tmp_path}/none.db"
    return Notifications(open_options([inbox.url]), "small", storage, print, clock)


def ended(number, value, best=None):
    """A trial that completed; the best so far unless `best` names another."""
    record = {
        "number": number,
        "architecture": "mf",
        "val_rmse": value,
        "value": value,
        "parts": {},
        "reason": "ran all 5 epochs",
    }
    leader = record if best is None else {"number": best}
    progress = StudyProgress(
        done=number, best=leader, bias_val_rmse=0.9, pace=None, running=frozenset()
    )
    return TrialEnded(record, leader, VAL_RMSE, progress)


def titles(inbox, notifications):
    notifications.close()
    return inbox.titles


def test_a_new_best_is_compared_to_the_baseline(inbox, notifications):
    notifications(ended(3, 0.8))
    notifications.close()
    [message] = inbox.messages
    assert message == {
        **message,
        "title": "small: trial 3 is the new best",
        "message": "validation RMSE 0.8000 (MSE 0.6400), 0.1000 below the bias baseline's 0.9000\n"
        "mf: ran all 5 epochs",
        "type": "success",
    }


def test_of_the_bests_within_the_interval_the_newest_is_sent_when_it_is_over(
    inbox, notifications, clock
):
    notifications(ended(0, 0.84))
    notifications(ended(1, 0.83))
    notifications(ended(2, 0.82))
    clock.now += INTERVAL_S - 1
    notifications(Notice("an event"))
    clock.now += 1
    notifications(Notice("an event"))
    assert titles(inbox, notifications) == [
        "small: trial 0 is the new best",
        "small: trial 2 is the new best",
    ]


def test_a_best_that_is_held_back_is_sent_when_the_process_ends(inbox, notifications):
    notifications(ended(0, 0.84))
    notifications(ended(1, 0.83))
    assert titles(inbox, notifications)[1:] == ["small: trial 1 is the new best"]


def test_the_end_takes_the_place_of_a_best_that_is_held_back(inbox, notifications):
    notifications(ended(0, 0.84))
    notifications(ended(1, 0.83))
    notifications(StudyEnded("out of time (2h)"))
    assert titles(inbox, notifications)[1:] == ["small: ended"]
    assert inbox.messages[1]["message"].startswith("out of time (2h)\n")


def test_an_older_best_is_no_news(inbox, notifications):
    notifications(ended(7, 0.9, best=3))
    assert titles(inbox, notifications) == []


def test_trouble_that_several_workers_report_is_sent_once_and_so_is_its_end(
    inbox, notifications, clock
):
    for _ in range(4):
        notifications(Trouble("the storage failed: database or disk is full", "storage"))
    for _ in range(4):
        notifications(Trouble("the storage works again", "storage", is_over=True))
    notifications(Trouble("worker 1 was killed by signal 9", "worker"))
    clock.now += INTERVAL_S
    notifications(Trouble("the storage failed: disk I/O error", "storage"))
    assert titles(inbox, notifications) == [
        "small: trouble",
        "small: works again",
        "small: trouble",
        "small: trouble",
    ]
    assert "database or disk is full" in inbox.messages[0]["message"]
    assert inbox.messages[0]["type"] == "warning"


def test_an_error_that_ends_the_study_is_sent(inbox, notifications):
    notifications(StudyEnded("the last 3 trials of small failed", failed=True))
    notifications.close()
    [message] = inbox.messages
    assert (message["title"], message["type"]) == ("small: failed", "failure")
    assert message["message"].startswith("the last 3 trials of small failed\n")
