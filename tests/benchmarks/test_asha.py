"""Successive halving that pauses and promotes, in `benchmarks/search/asha.py`."""

from __future__ import annotations

import importlib

import pytest


@pytest.fixture
def asha():
    return importlib.import_module("benchmarks.search.asha").Asha()


def test_a_trial_runs_from_rung_to_rung_and_then_to_its_end(asha):
    assert [asha.next_rung(done, 20) for done in (0, 1, 3, 9)] == [1, 3, 9, 20]


def test_the_best_third_of_a_rung_is_promoted_once(asha):
    asha.pause(0, 1, 0.9)
    asha.pause(1, 1, 0.8)
    assert asha.promote() is None
    asha.pause(2, 1, 1.0)
    assert asha.promote() == 1
    assert asha.promote() is None


def test_a_trial_that_was_in_the_best_third_may_be_promoted_much_later(asha):
    for number, value in enumerate([0.8, 0.9, 1.0]):
        asha.pause(number, 1, value)
    assert asha.promote() == 0
    for number in range(3, 6):
        asha.pause(number, 1, 1.0)
    assert asha.promote() == 1


def test_higher_rungs_go_first(asha):
    for number, value in enumerate([0.8, 0.9, 1.0]):
        asha.pause(number, 1, value)
        asha.pause(number + 3, 3, value)
    assert [asha.promote(), asha.promote()] == [3, 0]
