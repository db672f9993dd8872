"""Watching a study that runs elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recsys_search.commands.terminal.live import watch as module
from recsys_search.commands.terminal.live.watch import StateLog, is_over, watch


class Elsewhere:
    """A study with these states, one for each look at it; it is `status` after the last one."""

    def __init__(self, *states, status="done"):
        self._states, self._status = list(states), status

    def state(self):
        return self._states.pop(0)

    def progress(self):
        return {"state": "paused" if self._states else self._status, "budget_spent": None}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(module, "sleep", lambda seconds: None)


def test_it_ends_when_the_study_does_and_waits_while_it_is_paused(state, capsys):
    study = Elsewhere(state(0), state(1), state(0), state(0))
    watch(study)
    assert study._states == []


def test_a_log_has_a_line_for_each_start_and_each_end(state, record, capsys):
    log, first = StateLog(), state(1)
    log(first)
    log(first)
    log(replace(first, running={}, ended=(*first.ended, record(6))))
    assert capsys.readouterr().err.splitlines() == [
        "study demo on demo: 5 of 12 trials are done",
        "trial 6: two_tower",
        "trial 6 pruned 0.9238  flat",
    ]


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ({"state": "running"}, False),
        ({"state": "paused"}, False),
        ({"state": "paused", "budget_spent": "10 epochs are spent"}, True),
        ({"state": "finished"}, True),
        ({"state": "stopped"}, True),
        ({"state": "target reached"}, True),
        ({"state": "done"}, True),
    ],
)
def test_a_study_has_ended_when_no_start_is_to_be_expected(status, ended):
    assert is_over({"budget_spent": None, **status}) is ended
