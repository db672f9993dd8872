"""The sampler that proposes what the surrogate expects most of."""

from __future__ import annotations

import math

import optuna
import pytest
from optuna.trial import TrialState
from recsys_search.model.config import config_to_mapping
from recsys_search.search.definition.study_file import StudySpec
from recsys_search.search.samplers.build import trial_sampler
from recsys_search.search.storage.trials import CONFIG

SPACE = {
    "architecture": {"choice": ["two_tower", "hybrid"]},
    "two_tower.learning_rate": {"float": [1e-4, 1e-2], "log": True},
    "two_tower.norm_power": {"float": [0.3, 0.7]},
    "two_tower.rating_dropout": {"float": [0.1, 0.5]},
    "hybrid.dropout": {"float": [0.2, 0.5]},
}


def spec_of(sampler):
    return StudySpec.model_validate(
        {"name": "s", "dataset": "demo", "space": SPACE, "sampler": sampler, "trials": 99}
    )


def level(params):
    if params["architecture"] == "hybrid":
        return 0.9 + params["hybrid.dropout"] / 10
    rate = math.log10(params["two_tower.learning_rate"]) + 3.3
    power, dropout = params["two_tower.norm_power"], params["two_tower.rating_dropout"]
    return 0.8 + 0.02 * rate**2 + 0.5 * (power - 0.6) ** 2 + 0.2 * (dropout - 0.2) ** 2


def search(sampler, n_trials, *, prune_above=math.inf):
    """A study on the function; trials above a value are pruned after an epoch that shows it."""
    spec, study = spec_of(sampler), optuna.create_study()
    for number in range(n_trials):
        study.sampler = trial_sampler(spec, number)
        trial = study.ask()
        config = spec.config(spec.space.suggest(trial))
        value = level(trial.params)
        trial.storage.set_trial_system_attr(trial._trial_id, CONFIG, config_to_mapping(config))
        for epoch in range(1, 4):
            trial.report(value + 0.1 * (3 - epoch), epoch)
            if value > prune_above:
                trial.set_user_attr("stop_reason", "median")
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, value)
    return study


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_finds_what_random_search_does_not(seed):
    ours = search({"auto": {"seed": seed, "startup_trials": 8}}, 24)
    random = search({"random": {"seed": seed}}, 24)
    assert ours.best_value < 0.802
    assert ours.best_value < random.best_value - 0.001


def test_it_learns_from_pruned_trials():
    study = search({"auto": {"seed": 0, "startup_trials": 8}}, 24, prune_above=0.82)
    assert len(study.get_trials(states=[TrialState.PRUNED])) > 6
    assert study.best_value < 0.802


def test_it_leaves_an_architecture_that_is_worse():
    study = search({"auto": {"seed": 0, "startup_trials": 8}}, 24)
    late = [trial.params["architecture"] for trial in study.trials[12:]]
    assert late.count("two_tower") > 9


def test_the_first_trials_are_random_and_depend_on_the_seed():
    one, other = (search({"auto": {"seed": seed}}, 4) for seed in (0, 1))
    again = search({"auto": {"seed": 0}}, 4)
    params = [[trial.params for trial in study.trials] for study in (one, other, again)]
    assert params[0] == params[2]
    assert params[0] != params[1]


def test_queued_values_win():
    study = search({"auto": {"seed": 0, "startup_trials": 4}}, 10)
    spec = spec_of({"auto": {"startup_trials": 4}})
    study.sampler = trial_sampler(spec, 10)
    study.enqueue_trial({"architecture": "hybrid", "hybrid.dropout": 0.25})
    assert spec.space.suggest(study.ask()) == {"architecture": "hybrid", "dropout": 0.25}
    study.enqueue_trial({"architecture": "hybrid"})
    study.sampler = trial_sampler(spec, 11)
    trial = study.ask()
    assert set(spec.space.suggest(trial)) == {"architecture", "dropout"}


def test_running_trials_are_not_proposed_again():
    """Three workers ask at the same time: their proposals differ."""
    sampler = {"auto": {"seed": 0, "startup_trials": 8}}
    study, spec = search(sampler, 20), spec_of(sampler)
    rates = []
    for number in (20, 22, 24):
        study.sampler = trial_sampler(spec, number)
        trial = study.ask()
        spec.space.suggest(trial)
        rates.append(tuple(trial.params.items()))
    assert len(set(rates)) == 3


def test_no_config_is_proposed_twice():
    """Six configs in all: each is tried once before any is tried again."""
    space = {"learning_rate": {"float": [1e-3, 1e-3]}, "latent_dim": {"int": [16, 96], "step": 16}}
    spec = StudySpec.model_validate(
        {
            "name": "s",
            "dataset": "demo",
            "base": {"architecture": "two_tower"},
            "space": space,
            "sampler": {"auto": {"startup_trials": 2}},
            "trials": 6,
        }
    )
    study, tried = optuna.create_study(), []
    for number in range(6):
        study.sampler = trial_sampler(spec, number)
        trial = study.ask()
        config = spec.config(spec.space.suggest(trial))
        trial.storage.set_trial_system_attr(trial._trial_id, CONFIG, config_to_mapping(config))
        trial.report(1 / config.latent_dim, 1)
        study.tell(trial, 1 / config.latent_dim)
        tried.append(config.latent_dim)
    assert len(set(tried[2:])) == 4
    assert len(set(tried)) >= 5


def test_without_startup_trials_the_first_are_random_all_the_same():
    study = search({"auto": {"startup_trials": 0}}, 4)
    assert len({trial.params["architecture"] for trial in study.trials} | {None}) >= 2
    assert len(study.trials) == 4


def test_a_running_trial_that_has_drawn_nothing_yet_is_not_taken_into_account():
    """Another worker has claimed it, and is still choosing its config."""
    spec = spec_of({"auto": {"startup_trials": 8}})

    def proposal(n_claimed):
        study = search({"auto": {"startup_trials": 8}}, 12)
        for _ in range(n_claimed):
            study.ask()
        study.sampler = trial_sampler(spec, 40)
        trial = study.ask()
        spec.space.suggest(trial)
        return trial.params

    assert proposal(2) == proposal(0)
