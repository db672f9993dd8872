"""What a trial's heartbeat writes to the storage, and what it reads there."""

from __future__ import annotations

import time

import pytest
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.storage.claims import study_transaction
from recsys_search.search.storage.database import writable_storage
from recsys_search.search.storage.studies import STOPPED
from recsys_search.search.storage.worker import GRACE_S, silent_trials, worker_identity
from recsys_search.search.workers import heartbeat
from recsys_search.search.workers.heartbeat import Heartbeat
from recsys_search.search.workers.queue import next_trial
from sqlalchemy.orm import Session


class Running:
    """A claimed trial, whose last heartbeat was long ago."""

    def __init__(self, storage, worker):
        self.storage, self.study_id = storage, storage.get_study_id_from_name("small")
        self.claim = next_trial(storage, self.study_id, worker)
        with storage.engine.begin() as connection:
            old = "UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 day')"
            connection.execute(sqlalchemy.text(old))

    def heartbeat(self):
        return Heartbeat(self.storage, self.study_id, self.claim.trial_id)

    def is_silent(self):
        with Session(self.storage.engine) as session:
            return self.claim.number in silent_trials(session, self.study_id)


@pytest.fixture
def running(workplace, monkeypatch):
    monkeypatch.setattr(heartbeat, "POLL_S", 0.02)
    monkeypatch.setattr(heartbeat, "HEARTBEAT_S", 0.04)
    run_study(workplace.write_study(), workplace.storage, device="cpu", detach=True)
    with writable_storage(workplace.storage) as storage, worker_identity() as worker:
        yield Running(storage, worker)


def wait_until(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_trial_is_not_silent_while_its_heart_beats(running):
    assert running.is_silent()
    with running.heartbeat():
        wait_until(lambda: not running.is_silent())


def test_a_heart_beats_many_times_before_a_trial_is_taken_for_dead():
    assert heartbeat.POLL_S < heartbeat.HEARTBEAT_S <= GRACE_S / 5


def test_the_claim_was_the_first_beat(running, monkeypatch):
    monkeypatch.setattr(heartbeat, "HEARTBEAT_S", 1000.0)
    with running.heartbeat():
        time.sleep(0.2)
    assert running.is_silent()


def test_a_heartbeat_outlives_a_storage_that_fails(running, monkeypatch):
    record, failures = running.storage.record_heartbeat, [StorageInternalError("locked")] * 3

    def record_heartbeat(trial_id):
        if failures:
            raise failures.pop()
        record(trial_id)

    monkeypatch.setattr(running.storage, "record_heartbeat", record_heartbeat)
    with running.heartbeat():
        wait_until(lambda: not running.is_silent())


def test_a_trial_hears_of_stop(running):
    with running.heartbeat() as beat:
        assert beat.stop_reason is None
        running.storage.set_study_system_attr(running.study_id, STOPPED, "2026-01-01")
        wait_until(lambda: beat.stop_reason)
    assert beat.stop_reason == "recsys-search stop"


def test_a_trial_hears_that_another_process_has_ended_it(running):
    with running.heartbeat() as beat:
        with study_transaction(running.storage, running.study_id) as transaction:
            [trial] = transaction.trials(TrialState.RUNNING)
            transaction.fail(trial, {"reason": "gone"})
        wait_until(lambda: beat.stop_reason)
    assert beat.stop_reason == "taken over by another process"
