"""Whole studies of `breakthrough` on fitted curves instead of trainings: seconds instead of hours.

What a study does is the project's own code: its space, sampler, rules, endings, thawing and
finish. Only the reports of an epoch come from a `Landscape`. Left out are the limits (recorded
configs exceed none), second chances, and GPU memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState
from recsys_search.search.definition.study_file import StudySpec, load_study
from recsys_search.search.prospects.look_ahead import find_thaw
from recsys_search.search.pruners.trial_pruner import TrialPruner
from recsys_search.search.storage.trials import CONTINUES, count_trials, first_attempt

from benchmarks.search.asha import Asha
from benchmarks.search.landscape import Landscape
from benchmarks.search.replay import by_optuna, by_rules
from benchmarks.search.replay_figures import Curve, best

BIAS_VAL_RMSE = 0.8582695654856364
HYBRID_EPOCHS = 30  # of the recorded curves


class Ended(NamedTuple):
    """A trial of a simulated study.

    Attributes:
        epochs: trained for it, without those of the trial that it continues.
        value: what it reported as its best; None unless it completed, or was paused.
        true_value: the best value of its config to the last epoch, or to that at which it was
            paused, without a seed's noise.
        continues: number of the stopped trial that it goes on from; None for a new one.
    """

    number: int
    epochs: int
    value: float | None
    true_value: float
    continues: int | None = None


@dataclass(frozen=True)
class Policy:
    """How a study searches.

    Attributes:
        sampler: of a trial, by the study's seed and the trial's number; or one for all trials,
            with `shares_sampler`.
        pruner: built for each study.
        known: whether the study tries its known configs first.
        thaw: whether stopped trials may go on.
        pauses: whether trials pause at rungs and the best of them go on, as in ASHA.
        looks_ahead: whether it is computed after each trial what those left would bring.
    """

    name: str
    sampler: Callable[[StudySpec, int, int], BaseSampler]
    pruner: Callable[[StudySpec], BasePruner]
    shares_sampler: bool = False
    known: bool = False
    thaw: bool = False
    pauses: bool = False
    looks_ahead: bool = False


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
        self._asha = Asha() if policy.pauses else None
        self.study = optuna.create_study(study_name=f"{policy.name} {seed}")
        self.study.pruner = policy.pruner(spec)
        if policy.known:
            for known in spec.known_trials():
                self.study.enqueue_trial(known.params, user_attrs={"fixed": known.fixed})
        if policy.shares_sampler:
            self.study.sampler = policy.sampler(spec, seed, 0)

    def run(self) -> Iterator[Ended]:
        """Run trials one after the other, up to the study's total; those that go on count once."""
        while True:
            stopped = self._to_go_on_with()
            if stopped is not None:
                params = self.trials[stopped].params
                self.study.enqueue_trial(params, user_attrs={CONTINUES: stopped})
            elif count_trials(self.trials) >= self.spec.trials:
                return
            if not self._policy.shares_sampler:
                self.study.sampler = self._policy.sampler(self.spec, self._seed, len(self.trials))
            yield self._train(self.study.ask())

    def _to_go_on_with(self) -> int | None:
        """The number of a stopped trial that is worth more than a new one."""
        if self._asha is not None:
            return self._asha.promote()
        thaw = find_thaw(self.spec, self.trials) if self._policy.thaw else None
        return None if thaw is None else thaw.number

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _train(self, trial: Trial) -> Ended:
        values = self.spec.space.suggest(trial)
        config = self.spec.config(values, trial.user_attrs.get("fixed"))
        continues = trial.user_attrs.get(CONTINUES)
        done = 0 if continues is None else len(self.trials[continues].intermediate_values)
        first = trial.number if continues is None else first_attempt(trial, self.trials).number
        axes = {
            name: self.spec.space.axes[name].value_of(param) for name, param in trial.params.items()
        }
        landscape = self._landscapes[config.architecture]
        last = config.max_epochs
        if self._asha is not None:
            last = self._asha.next_rung(done, last)
        reports = landscape.reports(axes, self._seed * 100_003 + first)[:last]
        curve = Curve(trial.number, config, BIAS_VAL_RMSE, reports)
        if isinstance(self.study.pruner, TrialPruner):
            epochs, state = by_rules(trial, curve, done)
        else:
            epochs, state = by_optuna(trial, curve)
        value = best(curve, epochs) if state == TrialState.COMPLETE else None
        if value is not None and last < config.max_epochs:
            assert self._asha is not None
            self._asha.pause(trial.number, epochs, value)
            state = TrialState.PRUNED
        self.study.tell(trial, value if state == TrialState.COMPLETE else None, state)
        true_value = float(landscape.curves([axes])[0][:last].min())
        return Ended(trial.number, epochs - done, value, true_value, continues)
