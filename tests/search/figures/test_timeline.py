"""Workers and their trials."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from recsys_search.search.figures import timeline
from recsys_search.search.figures.timeline import idle_share, lanes

ONE, TWO, LATER, ELSEWHERE = ("a", 1), ("a", 2), ("a", 3), ("b", 1)


def numbers(trials):
    return {lane: [each.number for each in ran] for lane, ran in lanes(trials).items()}


def test_a_lane_has_the_trials_of_one_process(make_trial):
    """When trial 2 begins, both processes of the machine are free."""
    trials = [
        make_trial(0, 0, 10, worker=ONE),
        make_trial(1, 0, 9, worker=TWO),
        make_trial(2, 11, 20, worker=TWO),
        make_trial(3, 12, 20, worker=ONE),
        make_trial(4, 0, 50, worker=ELSEWHERE),
    ]
    assert numbers(trials) == {"a 1": [0, 3], "a 2": [1, 2], "b 1": [4]}


def test_a_worker_that_is_started_again_goes_on_in_the_lane(make_trial):
    trials = [make_trial(0, 0, 10, worker=ONE), make_trial(1, 60, 70, worker=LATER)]
    assert numbers(trials) == {"a 1": [0, 1]}


def test_trials_that_overlap_have_lanes_of_their_own(make_trial):
    trials = [make_trial(0, 0, 10, worker=ONE), make_trial(1, 5, 15, worker=ONE)]
    assert numbers(trials) == {"a 1": [0], "a 2": [1]}


def test_trials_of_an_earlier_version_have_an_unknown_machine(make_trial):
    assert numbers([make_trial(0, worker=None)]) == {"unknown machine 1": [0]}


def test_idle_time_is_that_in_which_only_others_ran(study, make_trial):
    """The second worker waits from 10 to 30; nothing runs from 40 to 100."""
    trials = [
        make_trial(0, 0, 40, worker=ONE),
        make_trial(1, 0, 10, worker=TWO),
        make_trial(2, 30, 40, worker=TWO),
        make_trial(3, 100, 110, worker=TWO),
    ]
    # 40 s of 40 s, and 30 s of 50 s.
    assert idle_share(replace(study, trials=trials)) == pytest.approx(20 / 90)
    assert idle_share(replace(study, trials=[])) == 0


def test_a_bar_begins_and_ends_with_its_trial(study, make_trial):
    start = datetime(2026, 5, 1, 12, 0, 0, 250_000).timestamp()
    figure = timeline(replace(study, trials=[make_trial(7, start, start + 0.5, state="complete")]))
    (bar,) = figure.data
    assert bar.base == ("2026-05-01 12:00:00.250",)
    assert (bar.x, bar.y, bar.customdata) == ((500,), ("machine 1",), (7,))
