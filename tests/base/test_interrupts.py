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
