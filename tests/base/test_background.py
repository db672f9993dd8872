"""Calls in a thread that nobody waits for."""

from __future__ import annotations

from threading import Event

from recsys_search.base.background import Background


def test_calls_are_made_in_order_and_closing_waits_for_them():
    made, background = [], Background("test", size=10)
    for number in range(5):
        assert background.submit(lambda number=number: made.append(number))
    assert background.close(10)
    assert made == [0, 1, 2, 3, 4]


def test_an_error_in_a_call_keeps_no_other_from_being_made():
    made, background = [], Background("test", size=10)
    background.submit(lambda: 1 / 0)
    background.submit(lambda: made.append("later"))
    assert background.close(10)
    assert made == ["later"]


def test_a_call_that_hangs_holds_neither_the_caller_nor_the_end_up():
    hanging, release = Event(), Event()
    background = Background("test", size=1)

    def hang():
        hanging.set()
        release.wait(10)

    assert background.submit(hang)
    assert hanging.wait(10)
    assert background.submit(lambda: None)
    assert not background.submit(lambda: None)  # no room
    assert not background.close(0.05)
    release.set()
