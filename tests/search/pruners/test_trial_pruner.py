"""The study's pruners as one, step by step: report, ask, and the reason."""

from __future__ import annotations

import optuna
import pytest
from recsys_search.search.pruners.table import Pruner
from recsys_search.search.pruners.trial_pruner import TrialPruner

optuna.logging.set_verbosity(optuna.logging.WARNING)


def pruner_of(*entries):
    return TrialPruner([Pruner.model_validate(entry) for entry in entries])


def study_with(pruner, *completed):
    """A study whose trials had these values, epoch by epoch."""
    study = optuna.create_study(pruner=pruner)
    for values in completed:
        trial = study.ask()
        for epoch, value in enumerate(values, 1):
            trial.report(value, epoch)
        study.tell(trial, min(values))
    return study


def asked(study, values, seen=None):
    """Whether a new trial is pruned after its last value."""
    trial = study.ask()
    for epoch, value in enumerate(values, 1):
        trial.report(value, epoch)
        if seen is not None:
            study.pruner.observe(trial.number, seen)
        pruned = trial.should_prune()
    return pruned


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_sick_is_told_as_sick_in_whatever_order(seen, order):
    """Else a plateau would make a collapsed contender the best trial."""
    entries = [{"budget": {"epochs": 3}}, {"collapse": {}}][::order]
    study = study_with(pruner_of(*entries))
    collapsed = seen(n=3, active=0, shuffle_cost=0.0, val_rmse=0.87)
    assert asked(study, [0.87], collapsed)
    assert study.pruner.stop.stop_reason == "collapse"


def test_of_equals_the_first_in_the_files_order_gives_the_reason(seen):
    study = study_with(pruner_of({"budget": {"epochs": 3}}, {"budget": {"epochs": 2}}))
    assert asked(study, [0.87], seen(n=3))
    assert study.pruner.stop.reason == "3 epochs, as many as a trial may run"


def test_rules_judge_only_the_trial_they_were_told_of(seen):
    study = study_with(pruner_of({"budget": {"epochs": 1}}))
    study.pruner.observe(7, seen(n=3))
    assert not asked(study, [0.87])
    assert study.pruner.stop is None


def test_the_median_gives_its_figures():
    median = {"median": {"startup_trials": 3, "warmup_epochs": 0}}
    study = study_with(pruner_of(median), [0.9, 0.8], [0.9, 0.7], [0.9, 0.6])
    assert asked(study, [0.95, 0.71])
    assert study.pruner.stop == (
        "hopeless",
        "best validation RMSE 0.7100 by epoch 2 is above 0.7000, the median of the 3 completed "
        "trials at that epoch",
    )
    assert not asked(study, [0.95, 0.69])


def test_a_percentile_gives_its_figures():
    percentile = {"percentile": {"percentile": 25, "startup_trials": 3, "warmup_epochs": 0}}
    study = study_with(pruner_of(percentile), [0.9, 0.8], [0.9, 0.7], [0.9, 0.6])
    assert asked(study, [0.95, 0.69])
    assert "is above 0.6500, the 25th percentile of the 3 completed" in study.pruner.stop.reason


@pytest.mark.parametrize(
    ("name", "rung"),
    [
        ("successive_halving", "trials that came to this rung of successive halving"),
        ("hyperband", "of its rung of hyperband"),
    ],
)
def test_a_rung_gives_its_figures(name, rung):
    entry = {name: {"reduction_factor": 2, **({"most_epochs": 4} if name == "hyperband" else {})}}
    study = study_with(pruner_of(entry))
    for value in (0.5, 0.6):
        asked(study, [value] * 4)
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    reasons = [study.pruner.stop.reason for _ in range(6) if asked(study, [0.9, 0.9, 0.9, 0.9])]
    assert reasons
    for reason in reasons:
        assert reason.startswith("validation RMSE 0.9000 in epoch ")
        assert " is not in the best 1/2 of " in reason
        assert reason.endswith(rung)


def test_no_pruner_stops_nothing(seen):
    study = study_with(pruner_of())
    assert not asked(study, [9.9], seen(n=3, active=0, shuffle_cost=0.0))


def test_a_pruner_may_be_named_alone_and_as_its_stops_are_told():
    assert Pruner.model_validate("plateau") == Pruner.model_validate({"plateau": {}})
    spelled = Pruner.model_validate({"overfit-gap": {"gap": 0.2}})
    assert spelled == Pruner.model_validate({"overfit_gap": {"gap": 0.2}})
    assert Pruner.model_validate(spelled.model_dump()) == spelled
