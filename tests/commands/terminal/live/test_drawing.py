"""The live view: what it shows, and that it fits the terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recsys_search.commands.terminal.live.drawing import draw, study_figures
from recsys_search.search.definition.finish import Finish


def plain(state, width=80, height=24):
    return [line.plain for line in draw(state, width, height)]


def test_the_frame_shows_the_study_its_trials_the_marks_and_the_latest_ends(state):
    assert plain(state(1)) == [
        "demo  ━━━━━━━━───────────  5 of 12 trials, about 2 min left, 38% of epochs saved",
        "trial 6  two_tower  ━━──────────   5/25  █▇          0.9500    0.5 s/epoch",
        "best so far: 0.8131 (trial 3), bias baseline: 0.8971",
        "trial 3 pruned: plateau at 0.9238",
        "trial 4 pruned: plateau at 0.9238",
        "trial 5 pruned: plateau at 0.9238",
    ]


def test_the_time_left_counts_what_the_running_trials_have_done(state):
    """7 trials of 10 epochs are left, but for 5 epochs of each of the two: 60 epochs of 2 s."""
    assert study_figures(state(2)) == [
        "5 of 12 trials",
        "2 running",
        "about 60 s left",
        "38% of epochs saved",
    ]


def test_a_study_that_may_end_early_takes_at_most_so_long(state):
    now = state(2)
    spec = now.spec.model_copy(update={"finish": Finish()})
    assert "at most 60 s left" in study_figures(replace(now, spec=spec))


def test_before_there_is_evidence_no_time_is_shown(state):
    assert study_figures(state(2, pace=None)) == ["5 of 12 trials", "2 running"]


def test_a_study_that_nobody_runs_has_no_time_left(state):
    assert study_figures(state(0))[:2] == ["5 of 12 trials", "none running"]
    assert not any("left" in figure for figure in study_figures(state(0)))


@pytest.mark.parametrize("width", [40, 60, 80, 110, 140])
@pytest.mark.parametrize("height", [10, 24])
@pytest.mark.parametrize("n_running", [0, 1, 8, 40])
def test_the_frame_fits_the_terminal(state, running, width, height, n_running):
    gpu = {"gpu_utilisation": 97, "gpu_memory_share": 0.433}
    label = "a_known_config_with_a_long_name"
    trials = {
        n: running(n, n % 25, figures=gpu, label=label) for n in range(1000, 1000 + n_running)
    }
    lines = draw(state(n_running, running=trials), width, height)
    assert all(line.cell_len <= width for line in lines)
    assert len(lines) < height


def test_trials_that_do_not_fit_are_counted(state):
    lines = plain(state(20), height=12)
    assert [line.split()[1] for line in lines[1:6]] == ["6", "7", "8", "9", "10"]
    assert lines[6] == "and 15 more running"


def test_a_gpu_is_shown_where_there_is_one(state, running):
    trial = running(6, figures={"gpu_utilisation": 97, "gpu_memory_share": 0.433})
    assert "GPU  97%  memory  43%" in plain(state(1, running={6: trial}), width=110)[1]
    assert "GPU" not in plain(state(1), width=110)[1]


def test_a_trial_before_its_first_epoch_is_being_prepared(state, running):
    assert plain(state(1, running={6: running(6, 0)}))[1].endswith("preparing")


def test_between_two_trials_the_frame_keeps_its_height(state):
    assert len(plain(state(1))) == len(plain(state(1, running={})))
    assert plain(state(1, running={}))[1] == "preparing the next trial"
    assert plain(state(0))[1].startswith("best so far")  # nobody prepares any


def test_a_label_is_shown_where_it_fits(state, running):
    trials = {6: running(6, label="large_batches")}
    line = plain(state(1, running=trials), width=130)[1]
    assert line.startswith("trial 6  (large_batches)  two_tower")
    assert plain(state(1, running=trials), width=80)[1].startswith("trial 6  two_tower")


def test_a_confirmation_has_no_bar_because_no_trial_is_to_come(state):
    assert plain(state(1, done=12))[0].startswith("trial 6")


def test_a_complete_trial_is_shown_with_its_value(state, record):
    ended = (record(7, "complete", "all 25 epochs"),)
    assert plain(state(1, ended=ended))[-1] == "trial 7 complete 0.9238: all 25 epochs"
