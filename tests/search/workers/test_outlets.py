"""Workers on other machines: they report what only they know, and one of them the end."""

from __future__ import annotations

import signal

import pytest
from recsys_search.errors import OptionError, StudyError
from recsys_search.search.listeners.attach import Outlets
from recsys_search.search.running.events import Notice, TrialEnded
from recsys_search.search.running.objective import Objective
from recsys_search.search.workers.run_worker import run_worker


@pytest.fixture
def join(workplace):
    """Run the trials of `small`; returns the notices."""

    def join(**options):
        events = []
        run_worker("small", workplace.storage, device="cpu", listener=events.append, **options)
        return [event.message for event in events if isinstance(event, Notice)]

    return join


def test_of_a_detached_study_the_last_worker_reports_the_end_and_no_worker_the_start(
    workplace, detach, join, inbox
):
    detach(notify=[inbox.url])
    assert inbox.titles == ["small: started"]
    join()
    join()  # the study is at its end already
    assert inbox.titles == ["small: started", "small: trial 0 is the new best", "small: done"]


def test_a_worker_that_leaves_early_reports_no_end(workplace, detach, inbox):
    def stop(event):
        if isinstance(event, TrialEnded):
            signal.raise_signal(signal.SIGTERM)

    detach(notify=[inbox.url])
    with pytest.raises(SystemExit):
        run_worker("small", workplace.storage, device="cpu", listener=stop)
    assert inbox.titles == ["small: started", "small: trial 0 is the new best"]


def test_a_study_that_a_start_runs_is_not_reported_by_its_workers(workplace, join, inbox):
    workplace.start(workplace.write_study(notify=[inbox.url]))
    join()
    assert inbox.titles.count("small: done") == 1


def test_an_error_that_ends_a_worker_is_sent(workplace, detach, join, inbox, monkeypatch):
    def fail(self, trial, training):
        raise RuntimeError("no kernel image is available")

    detach(trials=5)
    monkeypatch.setattr(Objective, "_train", fail)
    with pytest.raises(StudyError, match="the last 3 trials"):
        join(outlets=Outlets(notify=[inbox.url]))
    assert inbox.titles == ["small: failed"]
    assert "no kernel image is available" in inbox.messages[0]["message"]


def test_a_worker_goes_on_without_what_its_machine_lacks(workplace, detach, join, monkeypatch):
    pytest.importorskip("apprise")
    monkeypatch.setenv("DISCORD_URL", "json://localhost:9")
    detach(notify=["$DISCORD_URL"])
    monkeypatch.delenv("DISCORD_URL")
    notices = join()
    assert notices[0].startswith("notify 1: variable DISCORD_URL is not set; ")
    assert notices[0].endswith("; this worker continues without it")
    assert workplace.read().status()["complete"] == 2


def test_an_option_of_a_worker_that_cannot_work_is_refused(workplace, detach, join):
    detach()
    with pytest.raises(OptionError, match="no tracker named 'board'"):
        join(outlets=Outlets(trackers=["board"]))
    assert workplace.read().status()["done"] == 0
