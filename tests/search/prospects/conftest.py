"""Studies in memory on a smooth function of two axes, with curves that approach its values."""

from __future__ import annotations

import math

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial
from recsys_search.model.config import config_to_mapping
from recsys_search.search.definition.study_file import StudySpec
from recsys_search.search.storage.trials import CONFIG

EPOCHS = 10
SPACE = {
    "architecture": {"choice": ["two_tower", "hybrid"]},
    "two_tower.learning_rate": {"float": [1e-4, 1e-2], "log": True},
    "two_tower.latent_dim": {"int": [16, 64], "step": 16},
    "two_tower.batch_size": {"choice": [1024, 4096, 16384]},
    "hybrid.bias": {"choice": [False, True]},
    "hybrid.dropout": {"float": [0.2, 0.5], "when": {"hybrid.bias": True}},
}


@pytest.fixture(scope="session")
def spec():
    return StudySpec.model_validate(
        {
            "name": "small",
            "dataset": "demo",
            "base": {"max_epochs": EPOCHS},
            "space": SPACE,
            "sampler": {"auto": {"startup_trials": 6}},
            "pruners": ["hopeless"],
            "trials": 40,
        }
    )


def level(params):
    """Lowest, 0.8, at a learning rate of 1e-3 and 64 latents; hybrids are worse by 0.1."""
    if params["architecture"] == "hybrid":
        return 0.9 + (0.02 if params["hybrid.bias"] else 0.05)
    rate = math.log10(params["two_tower.learning_rate"]) + 3
    return 0.8 + 0.03 * rate**2 + 0.01 * (1 - params["two_tower.latent_dim"] / 64)


def curve_to(end, epochs=EPOCHS, start=0.2):
    """A curve that falls from `start` above its end; (epochs,) values."""
    full = [end + start * math.exp(-0.6 * epoch) for epoch in range(EPOCHS - 1)]
    return [*full, end][:epochs]


class Builder:
    """Adds ended trials to a study in memory."""

    def __init__(self, spec, seed=0):
        self.spec = spec
        self.study = optuna.create_study()
        self._rng = np.random.default_rng(seed)

    def params(self, architecture="two_tower", **given):
        axes = self.spec.space.axes
        drawn = self.spec.space.choose(
            lambda name, axis: (
                architecture if name == "architecture" else axis.at(self._rng.random())
            )
        )
        params = {name: axes[name].param_of(value) for name, value in drawn.items()}
        return {**params, **{f"{architecture}.{name}": value for name, value in given.items()}}

    def add(
        self, params=None, *, epochs=EPOCHS, end=None, stop_reason=None, violations=None, **attrs
    ):
        """A trial: complete after all epochs, otherwise pruned with this stop reason."""
        params = params or self.params()
        values = curve_to(level(params) if end is None else end, epochs)
        state = TrialState.PRUNED if stop_reason else TrialState.COMPLETE
        config = self.spec.config(self.spec.space.values_of(params))
        other = optuna.create_study()
        other.enqueue_trial(params)
        probe = other.ask()
        self.spec.space.suggest(probe)
        distributions = probe.distributions
        if stop_reason:
            attrs["stop_reason"] = stop_reason
        self.study.add_trial(
            create_trial(
                state=state,
                value=min(values) if state == TrialState.COMPLETE else None,
                params=params,
                distributions=distributions,
                user_attrs={"epochs": len(values), **attrs},
                system_attrs={
                    CONFIG: config_to_mapping(config),
                    **{f"constraints:{name}": v for name, v in (violations or {}).items()},
                },
                intermediate_values=dict(enumerate(values, start=1)),
            )
        )
        return len(self.study.trials) - 1

    @property
    def trials(self):
        return self.study.get_trials(deepcopy=False)


@pytest.fixture
def builder(spec):
    return Builder(spec)


@pytest.fixture
def searched(spec):
    """24 random trials of two_tower and 3 of hybrid, all complete."""
    builder = Builder(spec)
    for _ in range(24):
        builder.add()
    for _ in range(3):
        builder.add(builder.params("hybrid"))
    return builder
