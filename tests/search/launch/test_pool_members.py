"""A pool of which a worker does not start, or waits for a machine."""

from __future__ import annotations

import sys

import pytest
from recsys_search.base.interrupts import Interrupts
from recsys_search.search.launch import process_member
from recsys_search.search.launch.pool import Member, Pool
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.running.events import Notice, ignore

# A Python that runs only for the first who starts it.
ONCE = """#!/bin/sh
mkdir {folder}/taken 2>/dev/null || exit 7
exec {python} "$@"
"""


class Waiting(Member):
    """A worker that waits for a machine. `calls` is what the pool has asked of it."""

    def __init__(self, number):
        super().__init__(number)
        self.calls = []

    def start(self, put):
        self.calls.append("start")
        self.put = put

    def interrupt(self, signal_name):
        self.calls.append(signal_name)

    def cancel_if_waiting(self):
        self.calls.append("cancel")
        self.put(None)

    def wait(self):
        return "was cancelled"

    def end(self):
        self.calls.append("end")


class Unstartable(Waiting):
    def start(self, put):
        raise OSError("no more processes")


def run_pool(*members, should_stop=lambda: None):
    return Pool(members, ignore, Interrupts(lambda message: None), should_stop).run()


def test_a_timeout_ends_workers_that_still_wait_for_a_machine():
    member = Waiting(0)
    assert run_pool(member, should_stop=lambda: "out of time (2h)") == "out of time (2h)"
    assert member.calls == ["start", "cancel", "end"]


def test_a_worker_that_cannot_be_started_lets_the_others_save_their_trials():
    member = Waiting(0)
    with pytest.raises(OSError, match="no more processes"):
        run_pool(member, Unstartable(1))
    assert member.calls == ["start", "SIGTERM", "end"]


def test_the_others_go_on_without_a_worker_that_never_starts(workplace, monkeypatch):
    python = workplace.folder / "python"
    python.write_text(ONCE.format(folder=workplace.folder, python=sys.executable))
    python.chmod(0o755)
    monkeypatch.setattr(process_member.sys, "executable", str(python))
    notices = []
    run_study(
        workplace.write_study(trials=2),
        workplace.storage,
        workers=2,
        device="cpu",
        listener=notices.append,
    )
    messages = [event.message for event in notices if isinstance(event, Notice)]
    deaths = [each for each in messages if "ended with code 7" in each]
    assert [each.partition(" code 7")[2] for each in deaths] == [
        "; another takes its place",
        "; another takes its place",
        ", 3 times in a row; the others go on without it",
    ]
    assert workplace.read().status()["complete"] == 2
