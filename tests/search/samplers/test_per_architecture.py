"""gp and cmaes in a study of two architectures with a condition: what they draw, from what."""

from __future__ import annotations

import warnings
from statistics import mean

import optuna
import pytest
from optuna.samplers import CmaEsSampler, GPSampler, TPESampler
from optuna.trial import TrialState
from recsys_search.search.definition.study_file import StudySpec
from recsys_search.search.samplers.build import trial_sampler
from recsys_search.search.samplers.evidence import of_architecture, with_values

SPACE = {
    "architecture": {"choice": ["two_tower", "hybrid"]},
    "free_bits": {"float": [0, 4]},
    "two_tower.learning_rate": {"float": [1e-3, 1e-2], "log": True},
    "two_tower.batch_size": {"choice": [4096, 8192]},
    "two_tower.latent_dim": {"int": [16, 128], "step": 16},
    "two_tower.rating_dropout": {"float": [0.1, 0.5]},
    "two_tower.norm_power": {"float": [0.3, 0.7]},
    "two_tower.weight_decay": {"float": [0.1, 0.1]},
    "hybrid.learning_rate": {"float": [1e-4, 2e-3], "log": True},
    "hybrid.kl_weight": {"float": [1e-3, 0.03], "log": True},
    "hybrid.bias": {"choice": [False, True]},
    "hybrid.dropout": {"float": [0.2, 0.5], "when": {"hybrid.bias": True}},
}
BEST = {
    "free_bits": 1.0,
    "two_tower.learning_rate": 5e-3,
    "two_tower.latent_dim": 96,
    "two_tower.rating_dropout": 0.2,
    "two_tower.norm_power": 0.4,
    "hybrid.learning_rate": 5e-4,
    "hybrid.kl_weight": 0.01,
}


def spec_of(name, seed=0, **settings):
    return StudySpec.model_validate(
        {
            "name": "smooth",
            "dataset": "demo",
            "space": SPACE,
            "sampler": {name: {"seed": seed, **settings}},
            "trials": 1,
        }
    )


def smooth(spec, params):
    """0.8 at the best two_tower and 0.9 at the best hybrid, rising with the squared distance."""
    axes = spec.space.axes
    distances = [
        axes[name].position(params[name]) - axes[name].position(best)
        for name, best in BEST.items()
        if name in params
    ]
    start = 0.80 if params["architecture"] == "two_tower" else 0.9
    return start + 0.1 * sum(distance**2 for distance in distances)


def search(spec, n, study=None):
    """The study after `n` trials, each with a sampler of its own, as in several processes."""
    study = study or optuna.create_study()
    for _ in range(n):
        study.sampler = trial_sampler(spec, len(study.trials))
        trial = study.ask()
        spec.space.suggest(trial)
        study.tell(trial, smooth(spec, trial.params))
    return study


def end(study, spec, value=None, stop_reason=None, violations=(), **params):
    """Add a trial with these parameters: complete, or pruned after reporting the value."""
    study.enqueue_trial(params)
    study.sampler = TPESampler(seed=len(study.trials))
    trial = study.ask()
    spec.space.suggest(trial)
    for name, violation in violations:
        trial.set_constraint(name, violation)
    if stop_reason is None:
        study.tell(trial, value)
        return
    if value is not None:
        trial.report(value, 1)
        trial.report(value + 0.1, 2)
    trial.set_user_attr("stop_reason", stop_reason)
    study.tell(trial, state=TrialState.PRUNED)


@pytest.fixture
def asked(monkeypatch):
    """The axes that a wrapped sampler drew values for, one entry for each time it was asked."""
    drawn = []
    for kind in (GPSampler, CmaEsSampler):
        original = kind.sample_relative

        def sample(self, study, trial, search_space, original=original):
            values = original(self, study, trial, search_space)
            drawn.append(set(values))
            return values

        monkeypatch.setattr(kind, "sample_relative", sample)
    return drawn


def test_gp_beats_random_on_a_smooth_objective(asked):
    found = {
        name: [search(spec_of(name, seed, **few), 22).best_value for seed in range(2)]
        for name, few in (("gp", {"startup_trials": 4}), ("random", {}))
    }
    assert mean(found["gp"]) - 0.8 < 0.5 * (mean(found["random"]) - 0.8), found
    assert {"free_bits", "two_tower.learning_rate", "two_tower.latent_dim"} < max(asked, key=len)


def test_cmaes_beats_random_on_a_smooth_objective(asked):
    found = {
        name: [search(spec_of(name, seed), 50).best_value for seed in range(3)]
        for name in ("cmaes", "random")
    }
    assert mean(found["cmaes"]) - 0.8 < 0.5 * (mean(found["random"]) - 0.8), found
    # No choices, no axis with a condition, none with a single value.
    assert set().union(*asked) == {*BEST}


def test_architectures_take_turns_until_each_has_twice_its_share_of_the_startup():
    study = search(spec_of("cmaes", startup_trials=4), 12)
    chosen = [trial.params["architecture"] for trial in study.trials]
    assert chosen[:8] == ["two_tower", "hybrid"] * 4
    assert chosen[8:].count("two_tower") >= 3  # by far the better one


def test_cmaes_continues_through_its_generations_with_a_sampler_for_each_trial():
    study = search(spec_of("cmaes"), 60)
    generations = [
        trial.system_attrs["cma:generation"]
        for trial in study.trials
        if trial.params["architecture"] == "two_tower" and "cma:generation" in trial.system_attrs
    ]
    assert generations == sorted(generations)
    assert max(generations) >= 3


@pytest.mark.parametrize("name", ["gp", "cmaes"])
def test_a_search_does_not_depend_on_the_process_and_warns_of_nothing(name, caplog):
    spec = spec_of(name, startup_trials=4)
    optuna.logging.enable_propagation()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        first, second = ([t.params for t in search(spec, 9).trials] for _ in range(2))
    optuna.logging.disable_propagation()
    assert first == second
    assert not [each for each in caplog.messages if "independent" in each or "dynamic" in each]


@pytest.mark.parametrize("name", ["gp", "cmaes"])
def test_queued_parameters_are_kept_and_others_drawn(name, asked):
    spec = spec_of(name, startup_trials=2)
    study = search(spec, 12)
    asked.clear()
    everything = study.trials[-1].params
    study.enqueue_trial(everything)
    study.enqueue_trial({"architecture": "hybrid", "hybrid.bias": True, "free_bits": 2.5})
    study = search(spec, 2, study)
    whole, part = study.trials[-2:]
    assert whole.params == everything
    assert part.params["architecture"] == "hybrid"
    assert (part.params["hybrid.bias"], part.params["free_bits"]) == (True, 2.5)
    assert {"hybrid.kl_weight", "hybrid.learning_rate", "hybrid.dropout"} < set(part.params)
    assert len(asked) == 1  # a trial with all of its parameters asks for none


def test_constraints_that_differ_between_trials_do_not_stop_gp(asked):
    spec = spec_of("gp", startup_trials=2)
    study = search(spec, 6)
    end(study, spec, 0.9, architecture="two_tower", violations=[("kl_weight", -1.0)])
    end(study, spec, 0.9, architecture="two_tower", violations=[("gpu_memory", 1.0)])
    study.enqueue_trial({"architecture": "two_tower"})
    asked.clear()
    search(spec, 1, study)
    assert "two_tower.learning_rate" in asked[0]


def test_a_pruned_trial_counts_with_its_best_value_and_a_sick_one_with_the_worst():
    spec = spec_of("gp")
    study = optuna.create_study()
    end(study, spec, 0.80, architecture="two_tower")
    end(study, spec, 0.85, "hopeless", architecture="two_tower")
    end(study, spec, 0.70, "diverged", architecture="two_tower")
    end(study, spec, None, "known-limit", architecture="two_tower")
    end(study, spec, 0.60, architecture="two_tower", violations=[("out-of-memory", 1.0)])
    end(study, spec, 0.50, architecture="hybrid")
    trial = study.ask()
    axes = spec.space.unconditional("two_tower")
    view = with_values(
        of_architecture(study, study.trials[trial.number], "two_tower", axes)
    )._get_trials(deepcopy=True)
    assert [each.value for each in view] == [0.80, 0.85, 0.85, 0.85, 0.85]
    assert all(each.state == TrialState.COMPLETE and not each.constraints for each in view)
    states = [each.state.name for each in study.trials]  # untouched
    assert states == ["COMPLETE", "PRUNED", "PRUNED", "PRUNED", "COMPLETE", "COMPLETE", "RUNNING"]


def test_of_a_metric_to_maximise_the_worst_value_is_the_lowest():
    spec = spec_of("gp")
    study = optuna.create_study(direction="maximize")
    end(study, spec, 0.3, architecture="hybrid")
    end(study, spec, 0.1, "plateau", architecture="hybrid")
    end(study, spec, 0.4, "collapse", architecture="hybrid")
    trial = study.ask()
    axes = spec.space.unconditional("hybrid")
    view = with_values(of_architecture(study, study.trials[trial.number], "hybrid", axes))
    # The best of its two reports is the second, 0.1 higher.
    assert [each.value for each in view._get_trials()] == [0.3, 0.2, 0.2]


def test_without_any_sound_trial_nothing_is_modelled():
    spec = spec_of("gp", startup_trials=1)
    study = optuna.create_study()
    for _ in range(3):
        end(study, spec, 0.7, "diverged", architecture="two_tower")
    assert search(spec, 1, study).trials[-1].state == TrialState.COMPLETE


def test_gp_sees_what_other_processes_are_running():
    spec = spec_of("gp", startup_trials=4)
    study = search(spec, 12)
    drawn = []
    for _ in range(2):  # the first of them is not over when the second is drawn
        study.enqueue_trial({"architecture": "two_tower"})
        study.sampler = trial_sampler(spec, 12)  # the same seed: only the running trial differs
        trial = study.ask()
        spec.space.suggest(trial)
        drawn.append(trial.params)
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("name", ["gp", "cmaes", "tpe"])
def test_a_study_may_start_without_random_trials(name):
    assert len(search(spec_of(name, startup_trials=0), 5).trials) == 5
