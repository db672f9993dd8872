"""A running study, from events and from its storage, and how long it still takes."""

from __future__ import annotations

from datetime import datetime, timedelta

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from pytest import approx
from recsys_search.model.architectures.configs import build_config
from recsys_search.search.definition.study_file import load_study
from recsys_search.search.running.events import StudyStarted, TrialEnded, TrialStarted
from recsys_search.search.running.study_progress import Pace, StudyProgress
from recsys_search.search.running.study_state import StudyState
from recsys_search.search.storage.trials import CONFIG, INTERRUPTED

NOON = datetime(2026, 1, 1, 12)


def trial(number, n_epochs, seconds, *, state=TrialState.COMPLETE, max_epochs=20, **attrs):
    """A trial that trained so many epochs in so many seconds."""
    built = create_trial(
        state=state,
        value=0.9 if state == TrialState.COMPLETE else None,
        user_attrs={"reason": "r", **attrs},
        system_attrs={CONFIG: {"architecture": "mf", "max_epochs": max_epochs}},
        intermediate_values=dict.fromkeys(range(1, n_epochs + 1), 0.9),
    )
    built.number, built.datetime_start = number, NOON
    if state.is_finished():
        built.datetime_complete = NOON + timedelta(seconds=seconds)
    return built


# Pace.


def test_the_pace_is_what_trials_cost_as_they_were_stopped():
    trials = [
        trial(0, 20, 40),
        trial(1, 5, 10, state=TrialState.PRUNED, stop_reason="hopeless"),
        trial(2, 5, 10, state=TrialState.PRUNED, stop_reason="plateau"),
    ]
    assert Pace.of(trials) == (approx(10.0), approx(2.0), approx(0.5))


@pytest.mark.parametrize("n_trials", [0, 1, 2])
def test_a_few_trials_say_nothing(n_trials):
    assert Pace.of([trial(number, 20, 40) for number in range(n_trials)]) is None


def test_trials_that_were_not_trained_say_nothing():
    assert Pace.of([trial(number, 0, 0, state=TrialState.PRUNED) for number in range(5)]) is None


def test_an_interrupted_attempt_costs_its_epochs_and_counts_with_the_one_that_follows():
    """30 epochs in 60 s are two trials that count, and a third one."""
    cut = trial(0, 8, 16, state=TrialState.FAIL, stop_reason=INTERRUPTED)
    resumed = trial(3, 20, 24, retry_of=0, resumed_from_epoch=8)
    trials = [cut, trial(1, 5, 10), trial(2, 5, 10), resumed]
    assert Pace.of(trials) == (approx(10.0), approx(2.0), approx(0.5))


def test_a_running_trial_does_not_count_yet():
    ended = [trial(number, 10, 20) for number in range(3)]
    assert Pace.of([*ended, trial(3, 15, 0, state=TrialState.RUNNING)]) == Pace.of(ended)


@pytest.mark.parametrize(
    ("left", "running", "workers", "seconds"),
    [
        (4, [], 1, 80.0),
        (4, [3, 2], 1, 70.0),
        (4, [3, 2], 2, 35.0),
        (4, [99], 1, 60.0),  # longer than the mean: it may end any time
        (1, [4], 8, 12.0),  # the other workers have nothing to do
    ],
)
def test_the_time_left_is_the_epochs_left_at_this_pace(left, running, workers, seconds):
    pace = Pace(epochs=10.0, epoch_s=2.0, saved=0.0)
    assert pace.seconds_left(left, running, workers) == approx(seconds)


# States.


@pytest.fixture
def watched(workplace):
    """The states that a listener derives from a study's events, and what its storage says then."""
    seen, reader = [], None

    def listen(event):
        before = seen[-1][0] if seen else StudyState()
        state = before.after(event)
        stored = workplace.read().state() if isinstance(event, TrialEnded) else None
        seen.append((state, stored))

    reader = workplace.start(workplace.write_study(trials=4), listen)
    return seen, reader


def test_events_and_the_storage_give_the_same_state(watched):
    seen, _ = watched
    pairs = [(state, stored) for state, stored in seen if stored]
    assert len(pairs) == 4
    for state, stored in pairs:
        assert state.progress == stored.progress
        assert state.ended == stored.ended
        assert state.running == stored.running == {}
        assert (state.total, state.may_end_early) == (stored.total, stored.may_end_early)
    assert [state.progress.done for state, _ in pairs] == [1, 2, 3, 4]
    assert [state.progress.pace is None for state, _ in pairs] == [True, True, False, False]


def test_a_running_trial_has_its_curve_and_the_figures_of_its_last_epoch(workplace):
    seen = []

    def listen(event):
        state = (seen[-1] if seen else StudyState()).after(event)
        seen.append(state)
        if state.running:
            (live,), (stored,) = state.running.values(), workplace.read().state().running.values()
            assert live.curve == stored.curve
            assert stored.figures.items() >= live.figures.items()
            assert (live.max_epochs, live.architecture) == (2, "two_tower")

    workplace.start(workplace.write_study(trials=1), listen)
    running = [state.running[0] for state in seen if state.running]
    assert [trial.epoch for trial in running] == [0, 1, 2]
    assert running[-1].figures["epoch_s"] > 0


def test_a_study_that_nobody_runs_has_no_time_left(watched):
    _, reader = watched
    state = reader.state()
    assert (state.workers, state.seconds_left) == (0, None)
    assert reader.status()["time_left_s"] is None
    assert reader.status()["epochs_saved"] == 0.0


def test_a_study_that_someone_runs_has_a_time_left():
    spec = load_study("demo")
    trials = [trial(number, 10, 20) for number in range(4)]
    running = trial(4, 5, 0, state=TrialState.RUNNING)
    state = StudyState.stored(spec, [*trials, running], 0.95)
    assert spec.trials == 12
    assert state.seconds_left == approx((8 * 10 - 5) * 2.0)


def test_a_trial_whose_process_died_leaves_the_view_with_the_next_end():
    config = build_config("mf")
    state = StudyState().after(TrialStarted(0, config)).after(TrialStarted(1, config))
    ended = optuna.trial.create_trial(value=0.9)
    progress = StudyProgress.of([ended], state.metric, None)
    state = state.after(TrialEnded({"number": 1}, None, state.metric, progress))
    assert state.running == {}
    assert state.workers == 2


def test_a_confirmation_shows_one_training_at_a_time():
    state = StudyState().after(StudyStarted(load_study("demo"), 12))
    for number in (6, 0):
        state = state.after(TrialStarted(number, build_config("mf"), "seed 1000"))
    assert list(state.running) == [0]
    assert state.workers == 1


def test_the_reader_sees_a_new_total(workplace):
    reader = workplace.start(workplace.write_study(trials=1))
    assert reader.state().total == 1
    workplace.start("small", trials=2)
    assert (reader.state().total, reader.state().progress.done) == (2, 2)
