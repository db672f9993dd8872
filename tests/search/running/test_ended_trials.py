"""What the ended trials of a study add up to, while others start, run and end."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.config import config_to_mapping
from recsys_search.model.evaluation.metrics import METRICS
from recsys_search.search.definition.budget import Spending
from recsys_search.search.running import ended_trials
from recsys_search.search.running.ended_trials import EndedTrials
from recsys_search.search.running.study_progress import spending
from recsys_search.search.storage.database import writable_storage
from recsys_search.search.storage.trials import CONFIG, EPOCH_AT, SAME_AS, WORKER_DIED

TWO_TOWER = build_config("two_tower", max_epochs=3)
HYBRID = build_config("hybrid", max_epochs=3)


class Study:
    """A stored study, and what is known of its ended trials since it was opened."""

    def __init__(self, study):
        self.study, self.ended = study, EndedTrials()

    def start(self, *values, config=TWO_TOWER, **attrs):
        trial = self.study.ask()
        self.study._storage.set_trial_system_attr(
            trial._trial_id, CONFIG, config_to_mapping(config)
        )
        for name, value in attrs.items():
            trial.set_user_attr(name, value)
        for epoch, value in enumerate(values, start=1):
            trial.report(value, epoch)
        return trial

    def complete(self, trial, value):
        self.study.tell(trial, value)

    def prune(self, trial, stop_reason):
        trial.set_user_attr("stop_reason", stop_reason)
        self.study.tell(trial, state=TrialState.PRUNED)

    def read(self):
        self.ended.add(self.study.get_trials(deepcopy=False))
        return self.ended

    def curves(self, config=TWO_TOWER):
        return self.read().curves(config)


@pytest.fixture
def study(tmp_path):
    with writable_storage(f"sqlite:///{tmp_path}/studies.db") as storage:
        yield Study(optuna.create_study(storage=storage))


def test_a_trial_counts_as_soon_as_it_has_ended(study):
    assert (study.read().best_value, study.curves()) == (None, [])
    trial = study.start(0.9, 0.8)
    assert (study.read().best_value, study.curves()) == (None, [])
    trial.report(0.7, 3)
    study.complete(trial, 0.7)
    assert (study.read().best_value, study.curves()) == (0.7, [(0.9, 0.8, 0.7)])


def test_a_trial_that_waited_and_was_started_counts_once_it_has_ended(study):
    study.study.enqueue_trial({})
    assert study.read().epochs == 0
    trial = study.start(0.9)
    assert study.read().epochs == 0
    study.complete(trial, 0.9)
    assert study.read().epochs == study.read().epochs == 1


def test_curves_are_in_the_order_of_the_trials_not_of_their_ends(study):
    first, second = study.start(0.9), study.start(0.8)
    study.complete(second, 0.8)
    assert study.curves() == [(0.8,)]
    study.complete(first, 0.9)
    assert study.curves() == [(0.9,), (0.8,)]


def test_curves_are_of_the_same_architecture_and_length(study):
    study.complete(study.start(0.9), 0.9)
    study.complete(study.start(0.8, config=HYBRID), 0.8)
    study.complete(study.start(0.7, config=build_config("two_tower", max_epochs=4)), 0.7)
    assert (study.curves(), study.curves(HYBRID)) == ([(0.9,)], [(0.8,)])
    assert study.read().best_value == 0.7  # of all


def test_a_pruned_trial_gives_its_curve_if_it_had_stopped_improving(study):
    study.prune(study.start(0.9), "plateau")
    study.prune(study.start(0.8), "hopeless")
    assert study.curves() == [(0.9,)]
    assert study.read().best_value is None


def test_a_repeated_config_is_neither_best_nor_a_curve(study):
    study.complete(study.start(**{SAME_AS: 0}), 0.5)
    assert (study.read().best_value, study.curves()) == (None, [])


@pytest.mark.parametrize(("metric", "best"), [("val_rmse", 0.7), ("val_close", 0.9)])
def test_the_best_value_is_the_metrics(study, val_close, metric, best):
    study.ended = EndedTrials(METRICS[metric])
    for value in (0.8, 0.7, 0.9):
        study.complete(study.start(value), value)
        study.read()
    assert study.read().best_value == best


def test_spending_follows_running_and_ended_trials(study):
    def spent():
        """Known trials are added up as if all had just been read."""
        trials = study.study.get_trials(deepcopy=False)
        known, afresh = spending(trials, study.ended), spending(trials)
        assert known.seconds == pytest.approx(afresh.seconds, abs=0.11)
        assert known.epochs == afresh.epochs
        return known.epochs

    assert spent() == 0
    trial, other = study.start(0.9), study.start(0.9, 0.8)
    assert spent() == 3
    trial.report(0.8, 2)
    assert spent() == 4
    study.complete(trial, 0.8)
    assert spent() == 4
    resumed = study.start(0.9, 0.8, 0.7, resumed_from_epoch=2)
    other.report(0.7, 3)
    assert spent() == 6
    study.prune(other, "plateau")
    study.complete(resumed, 0.7)
    assert spent() == 6


def test_a_trial_that_dies_counts_up_to_its_last_epoch_even_if_it_was_seen_running(study):
    trial = study.start(0.9)
    trials = study.study.get_trials()
    began = trials[0].datetime_start
    assert spending(trials, study.ended).epochs == 1
    study.study._storage.set_trial_system_attr(trial._trial_id, EPOCH_AT, began.isoformat())
    trial.set_user_attr("reason", WORKER_DIED)
    study.study.tell(trial, state=TrialState.FAIL)
    for _ in range(2):
        assert spending(study.study.get_trials(), study.ended) == Spending(1, 0.0)


def test_in_a_very_long_study_the_latest_curves_count(study, monkeypatch):
    monkeypatch.setattr(ended_trials, "MAX_CURVES", 2)
    for value in (0.9, 0.8, 0.7):
        study.complete(study.start(value), value)
    assert study.curves() == [(0.8,), (0.7,)]
    assert study.read().best_value == 0.7
