"""A worker that serves all studies of a storage: what it takes up, and what it leaves alone."""

from __future__ import annotations

import signal
import threading

import pytest
from recsys_search.errors import StorageError
from recsys_search.search.running.events import EpochEnded, Notice
from recsys_search.search.storage.database import writable_storage
from recsys_search.search.storage.studies import SPEC
from recsys_search.search.workers import heartbeat, serve
from recsys_search.search.workers.run_worker import run_worker
from recsys_search.search.workers.stop import stop_study


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(heartbeat, "POLL_S", 0.05)
    monkeypatch.setattr(serve, "LOOK_EVERY_S", 0.2)


@pytest.fixture
def run_service(workplace):
    """`run_service(at_pause)`: serve, and call `at_pause(n)` before the n-th pause.

    A pause that returns a true value ends the service by SIGTERM. Returns its messages.
    """

    def run_service(at_pause, monkeypatch, at_epoch=lambda event: None):
        notices, pauses = [], []

        def pause(seconds, should_end):
            pauses.append(None)
            assert len(pauses) < 20
            if at_pause(len(pauses)):
                signal.raise_signal(signal.SIGTERM)

        def listen(event):
            if isinstance(event, Notice):
                notices.append(event.message)
            if isinstance(event, EpochEnded):
                at_epoch(event)

        monkeypatch.setattr(serve, "pause", pause)
        with pytest.raises(SystemExit) as left:
            run_worker(None, workplace.storage, device="cpu", listener=listen)
        assert left.value.code == 143
        return notices

    return run_service


def test_a_service_starts_before_the_storage_and_its_studies(
    workplace, detach, run_service, monkeypatch
):
    def at_pause(n):
        if n == 1:
            detach(trials=1)
        return n == 2

    notices = run_service(at_pause, monkeypatch)
    assert notices[0] == "study small has trials to run"
    assert workplace.read().status()["complete"] == 1


def test_a_service_runs_every_study_that_has_trials_the_oldest_first(
    workplace, detach, run_service, monkeypatch
):
    detach("second", trials=2)
    detach("first", trials=1)
    notices = run_service(lambda n: n == 1, monkeypatch)
    assert [each for each in notices if "has trials" in each] == [
        "study second has trials to run",
        "study first has trials to run",
    ]
    assert [workplace.read(name).status()["complete"] for name in ("second", "first")] == [2, 1]


def test_a_service_leaves_after_its_timeout(workplace):
    notices = []
    thread = threading.Thread(
        target=lambda: run_worker(
            None, workplace.storage, timeout="1s", device="cpu", listener=notices.append
        ),
        daemon=True,
    )
    thread.start()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert notices[-1] == Notice("out of time (1s)")


def test_a_signal_in_the_middle_of_a_trial_ends_the_service(
    workplace, detach, run_service, monkeypatch
):
    detach(base={**workplace.base, "max_epochs": 2000, "patience": 2000}, trials=1)
    run_service(pytest.fail, monkeypatch, lambda event: signal.raise_signal(signal.SIGTERM))
    status = workplace.read().status()
    assert (status["interrupted"], status["waiting"]) == (1, 1)


def test_a_stopped_study_is_taken_up_again_after_a_start(
    workplace, detach, run_service, monkeypatch
):
    detach(base={**workplace.base, "max_epochs": 100, "patience": 100}, trials=1)

    def at_epoch(event):
        if event.report.epoch == 1 and event.number == 0:
            stop_study(workplace.storage, "small", wait=False, notify=print)

    def at_pause(n):
        if n == 1:
            assert workplace.read().status()["waiting"] == 1
            detach(base={**workplace.base, "max_epochs": 100, "patience": 100}, trials=1)
        return n == 3

    run_service(at_pause, monkeypatch, at_epoch)
    first, second = workplace.read().trials()
    assert (second["state"], second["retry_of"]) == ("complete", 0)
    assert second["resumed_from_epoch"] == first["epochs"]


def test_a_study_of_another_version_does_not_hide_the_others(
    workplace, detach, run_service, monkeypatch
):
    detach("first", trials=1)
    detach("second", trials=1)
    with writable_storage(workplace.storage) as storage:
        study_id = storage.get_study_id_from_name("first")
        storage.set_study_system_attr(study_id, SPEC, '{"version": 99}')
    notices = run_service(lambda n: n == 2, monkeypatch)
    assert workplace.read("second").status()["complete"] == 1
    assert sum(each.startswith("study first: the stored study: ") for each in notices) == 1


def test_a_study_with_an_error_is_reported_once_and_left_alone_until_it_is_changed(
    workplace, detach, run_service, monkeypatch
):
    detach(trials=1)
    (workplace.folder / "ratings").rename(workplace.folder / "gone")

    def at_pause(n):
        if n == 3:
            (workplace.folder / "gone").rename(workplace.folder / "ratings")
            detach(trials=2)
        return n == 4

    notices = run_service(at_pause, monkeypatch)
    assert sum("ratings" in each for each in notices) == 1
    assert workplace.read().status()["complete"] == 2


def test_a_study_is_tried_again_after_the_storage_failed(
    workplace, detach, run_service, monkeypatch
):
    detach(trials=1)
    join = serve.join_with_outlets
    failures = [StorageError("storage x cannot be written: locked")] * 2

    def join_with_outlets(*args):
        if failures:
            raise failures.pop()
        return join(*args)

    monkeypatch.setattr(serve, "join_with_outlets", join_with_outlets)
    notices = run_service(lambda n: n == 3, monkeypatch)
    assert workplace.read().status()["complete"] == 1
    assert sum("cannot be written: locked; waiting for it" in each for each in notices) == 1
