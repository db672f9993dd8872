"""The study's pruners as one Optuna pruner, step by step: report, ask, and the reason."""

from __future__ import annotations

import optuna
import pytest
from recsys_search.search.pruners.rule import Kind
from recsys_search.search.pruners.table import PRUNERS, kind_of, pruner_to_mapping, read_pruner
from recsys_search.search.pruners.trial_pruner import TrialPruner

optuna.logging.set_verbosity(optuna.logging.WARNING)


def build_pruner(*entries):
    return TrialPruner([read_pruner(entry) for entry in entries])


def study_with(pruner, *completed):
    """A study whose trials had these values, epoch by epoch."""
    # Hyperband picks a bracket by the name, which is random by default.
    study = optuna.create_study(study_name="rungs", pruner=pruner)
    for values in completed:
        trial = study.ask()
        for epoch, value in enumerate(values, 1):
            trial.report(value, epoch)
        study.tell(trial, min(values))
    return study


def is_pruned(study, values, progress=None):
    """Whether a new trial with these values is pruned after the last one."""
    trial = study.ask()
    for epoch, value in enumerate(values, 1):
        trial.report(value, epoch)
        if progress is not None:
            study.pruner.observe(trial.number, progress)
        pruned = trial.should_prune()
    return pruned


@pytest.mark.parametrize("order", [1, -1])
def test_a_sick_trial_is_reported_as_sick_in_either_order(progress, order):
    """Otherwise a plateau would make a collapsed contender the best trial."""
    entries = [{"budget": {"epochs": 3}}, {"collapse": {}}][::order]
    study = study_with(build_pruner(*entries))
    collapsed = progress(n=3, active=0, shuffle_cost=0.0, val_rmse=0.87)
    assert is_pruned(study, [0.87], collapsed)
    assert study.pruner.stop.stop_reason == "collapse"


def test_the_first_pruner_in_the_file_gives_the_reason(progress):
    study = study_with(build_pruner({"budget": {"epochs": 3}}, {"budget": {"epochs": 2}}))
    assert is_pruned(study, [0.87], progress(n=3))
    assert study.pruner.stop.reason == "3 epochs, the most that a trial may run"


def test_rules_judge_only_the_observed_trial(progress):
    study = study_with(build_pruner({"budget": {"epochs": 1}}))
    study.pruner.observe(7, progress(n=3))
    assert not is_pruned(study, [0.87])
    assert study.pruner.stop is None


def test_the_median_gives_its_figures():
    median = {"median": {"startup_trials": 3, "warmup_epochs": 0}}
    study = study_with(build_pruner(median), [0.9, 0.8], [0.9, 0.7], [0.9, 0.6])
    assert is_pruned(study, [0.95, 0.71])
    assert study.pruner.stop == (
        "median",
        "best validation RMSE 0.7100 by epoch 2 is above 0.7000, the median of the 3 completed "
        "trials at that epoch",
        Kind.BEHIND,
        None,
        "above the median",
    )
    assert not is_pruned(study, [0.95, 0.69])


def test_a_percentile_gives_its_figures():
    percentile = {"percentile": {"percentile": 25, "startup_trials": 3, "warmup_epochs": 0}}
    study = study_with(build_pruner(percentile), [0.9, 0.8], [0.9, 0.7], [0.9, 0.6])
    assert is_pruned(study, [0.95, 0.69])
    assert study.pruner.stop.stop_reason == "percentile"
    assert "is above 0.6500, the 25th percentile of the 3 completed" in study.pruner.stop.reason


@pytest.mark.parametrize(
    ("name", "stop_reason", "rung"),
    [
        (
            "successive_halving",
            "successive-halving",
            "trials that reached this rung of successive halving",
        ),
        ("hyperband", "hyperband", "of its rung of hyperband"),
    ],
)
def test_a_rung_gives_its_figures(name, stop_reason, rung):
    entry = {name: {"reduction_factor": 2, **({"most_epochs": 4} if name == "hyperband" else {})}}
    study = study_with(build_pruner(entry))
    for value in (0.5, 0.6):
        is_pruned(study, [value] * 4)
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    stops = [study.pruner.stop for _ in range(6) if is_pruned(study, [0.9, 0.9, 0.9, 0.9])]
    assert stops
    for stop in stops:
        assert stop.stop_reason == stop_reason
        assert stop.reason.startswith("validation RMSE 0.9000 in epoch ")
        assert " is not in the best 1/2 of " in stop.reason
        assert stop.reason.endswith(rung)


def test_every_pruner_has_a_stop_reason_of_its_own():
    reasons = [pruner.stop_reason for pruner in PRUNERS.values()]
    assert len(set(reasons)) == len(reasons)
    assert all(kind_of(pruner.stop_reason) is pruner.kind for pruner in PRUNERS.values())


def test_no_pruner_stops_nothing(progress):
    study = study_with(build_pruner())
    assert not is_pruned(study, [9.9], progress(n=3, active=0, shuffle_cost=0.0))


def test_a_pruner_may_be_named_alone_and_by_its_stop_reason():
    assert read_pruner("plateau") == read_pruner({"plateau": {}})
    spelled = read_pruner({"overfit-gap": {"gap": 0.2}})
    assert spelled == read_pruner({"overfit_gap": {"gap": 0.2}})
    assert read_pruner(pruner_to_mapping(spelled)) == spelled
