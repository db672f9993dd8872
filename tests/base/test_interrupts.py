"""Signals end a process where nothing is lost."""

from __future__ import annotations

import signal

import pytest
from recsys_search.base.interrupts import Interrupts


@pytest.fixture
def messages():
    return []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 138), (signal.SIGHUP, 129)]
)
def test_a_signal_is_recorded_and_becomes_the_exit_code(messages, number, code):
    interrupts = Interrupts(messages.append)
    with interrupts.caught():
        signal.raise_signal(number)
    assert interrupts.received == interrupts.cause == signal.Signals(number).name
    assert messages == [
        f"{interrupts.cause}: stopping after this batch; send it again to stop at once"
    ]
    with pytest.raises(SystemExit) as left:
        interrupts.leave()
    assert left.value.code == code


def test_ctrl_c_raises_as_usual_when_it_is_time_to_leave(messages):
    interrupts = Interrupts(messages.append)
    with interrupts.caught():
        signal.raise_signal(signal.SIGINT)
    assert interrupts.cause == "Ctrl-C"
    with pytest.raises(KeyboardInterrupt):
        interrupts.leave()


def test_a_second_signal_leaves_the_block_at_once(messages):
    interrupts, reached = Interrupts(messages.append), []
    with interrupts.caught():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGUSR1)
        reached.append("here")
    assert reached == []
    assert interrupts.received == "SIGTERM"


def test_a_scheduler_that_sends_a_signal_twice_means_it_once(messages, monkeypatch):
    """To the job and to its processes, within a moment."""
    clock, interrupts, reached = [0.0], Interrupts(messages.append), []
    monkeypatch.setattr("recsys_search.base.interrupts.monotonic", lambda: clock[0])
    with interrupts.caught():
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
        reached.append("after two")
        clock[0] += 10
        signal.raise_signal(signal.SIGTERM)
        reached.append("after three")
    assert (reached, len(messages)) == (["after two"], 1)


def test_ctrl_c_twice_in_a_moment_is_meant(messages):
    interrupts, reached = Interrupts(messages.append), []
    with interrupts.caught():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        reached.append("here")
    assert reached == []


def test_without_a_signal_nothing_happens(messages):
    interrupts = Interrupts(messages.append)
    with interrupts.caught():
        pass
    interrupts.leave()
    assert (interrupts.cause, messages) == (None, [])


def test_nohup_is_respected(messages):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        interrupts = Interrupts(messages.append)
        with interrupts.caught():
            signal.raise_signal(signal.SIGHUP)
        assert interrupts.received is None
    finally:
        signal.signal(signal.SIGHUP, before)
