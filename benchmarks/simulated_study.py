"""Whole studies of `breakthrough` on fitted curves instead of trainings: seconds instead of hours.

What a study does is the project's own code: its space, sampler, rules, endings, thawing and
finish. Only the reports of an epoch come from a `Landscape`. Left out are the limits (recorded
configs exceed none), second chances, and GPU memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import optuna
from landscape import Landscape
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import Trial, TrialState
from recsys_search.model.config import TrainingConfig
from recsys_search.search.definition.study_file import StudySpec, load_study
from replay import by_optuna, by_rules
from replay_figures import Curve, best

BIAS_VAL_RMSE = 0.8582695654856364
HYBRID_EPOCHS = 30  # of the recorded curves


class Ended(NamedTuple):
    """A trial of a simulated study.

    Attributes:
        epochs: trained for it, without those of a trial that it continues.
        value: what it reported as its best; None unless it completed.
        true_value: the best value of its config to the last epoch, without a seed's noise.
        reached: the best value of its config in the epochs that it ran, likewise.
    """

    number: int
    epochs: int
    value: float | None
    true_value: float
    reached: float
    continues: int | None = None


@dataclass(frozen=True)
class Policy:
    """How a study searches.

    Attributes:
        sampler: of a trial, by the study's seed and the trial's number; None for one that all
            trials share.
        pruner: built for each study.
    """

    name: str
    sampler: Callable[[StudySpec, int, int], BaseSampler]
    pruner: Callable[[StudySpec], BasePruner]
    shares_sampler: bool = False
    known: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


def simulated_spec() -> StudySpec:
    """`breakthrough` as the recorded curves have it."""
    spec = load_study("breakthrough")
    base = {**spec.base, "hybrid.max_epochs": HYBRID_EPOCHS}
    return spec.model_copy(update={"base": base, "limits": None, "contingency": None})


class SimulatedStudy:
    """One study of a policy on the landscapes."""

    def __init__(
        self, spec: StudySpec, landscapes: Mapping[str, Landscape], policy: Policy, seed: int
    ) -> None:
        self.spec = spec
        self._landscapes = landscapes
        self._policy = policy
        self._seed = seed
        self.study = optuna.create_study(study_name=f"{policy.name} {seed}")
        self.study.pruner = policy.pruner(spec)
        if policy.known:
            for known in spec.known_trials():
                self.study.enqueue_trial(known.params, user_attrs={"fixed": known.fixed})
        if policy.shares_sampler:
            self.study.sampler = policy.sampler(spec, seed, 0)

    def run(self, n_trials: int) -> Iterator[Ended]:
        """Run trials one after the other."""
        for number in range(n_trials):
            if not self._policy.shares_sampler:
                self.study.sampler = self._policy.sampler(self.spec, self._seed, number)
            yield self.train(self.study.ask())

    def train(self, trial: Trial) -> Ended:
        values = self.spec.space.suggest(trial)
        config = self.spec.config(values, trial.user_attrs.get("fixed"))
        curve = self.curve(trial, config)
        by = by_optuna if not hasattr(self.study.pruner, "observe") else by_rules
        epochs, state = by(trial, curve)
        value = best(curve, epochs) if state == TrialState.COMPLETE else None
        self.study.tell(trial, value, state)
        true = self._true_curve(trial, config)
        return Ended(trial.number, epochs, value, float(true.min()), float(true[:epochs].min()))

    def curve(self, trial: Trial, config: TrainingConfig) -> Curve:
        """The trial's reports, with the noise of its own seed."""
        axes = self.spec.space.axes
        values = {name: axes[name].value_of(param) for name, param in trial.params.items()}
        landscape = self._landscapes[config.architecture]
        reports = landscape.reports(values, self._seed * 100_003 + trial.number)
        return Curve(trial.number, config, BIAS_VAL_RMSE, reports[: config.max_epochs])

    def _true_curve(self, trial: Trial, config: TrainingConfig) -> Any:
        axes = self.spec.space.axes
        values = {name: axes[name].value_of(param) for name, param in trial.params.items()}
        return self._landscapes[config.architecture].curves([values])[0][: config.max_epochs]
