"""A sampler that proposes what the surrogate over all trials expects most of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from ...model.evaluation.weighted import find_metric
from ..definition.study_file import StudySpec
from ..prospects.encoding import Doubles, Encoding
from ..prospects.feasibility import limit_checks
from ..prospects.outcomes import outcomes
from ..prospects.prior import Prior, unless_contradicted
from ..prospects.proposals import most_promising, thompson_sample
from ..prospects.surrogate import MIN_OUTCOMES, Surrogate, fit_surrogate

NEARBY = np.linspace(0.05, 1.0, 20)  # how far to move from a config that has been tried
N_ANYWHERE = 50
WITH_PRIOR = 3  # outcomes that are enough to scale a prior


class SurrogateSampler(BaseSampler):
    """Expected improvement and Thompson sampling by turns, after a few random trials.

    It learns from each trial, whichever way it ended: Optuna's samplers ignore a pruned trial, or
    rank it by its last value. Thompson sampling explores: rules soon stop a trial that does not
    live up to the draw, so that it costs few epochs. One sampler is for one trial.
    """

    def __init__(
        self,
        spec: StudySpec,
        seed: int,
        startup_trials: int = 10,
        star: float = 1.0,
        prior: Prior | None = None,
    ) -> None:
        """Args:
        seed: of this trial.
        startup_trials: outcomes before the surrogate is asked.
        star: what a star is worth in the ratings' units: `Scale.star`.
        prior: what earlier studies expect; with one, few random trials are enough.
        """
        self._spec = spec
        self._rng = np.random.default_rng(seed)
        self._startup_trials = startup_trials
        self._star = star
        self._prior = prior
        self._params: dict[str, Any] | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Asked for each parameter that is not queued; all are chosen together at the first."""
        if self._params is None:
            self._params = self._propose(study, trial)
        if param_name in self._params:
            return self._params[param_name]
        # An axis that applies because of a queued value of another one.
        return self._spec.space.axes[param_name].param_of(
            self._spec.space.axes[param_name].at(self._rng.random())
        )

    def _propose(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        queued: Mapping[str, Any] = trial.system_attrs.get("fixed_params", {})
        architectures = self._spec.architectures
        if "architecture" in queued:
            architectures = (queued["architecture"],)
        trials = study.get_trials(deepcopy=False)
        known = outcomes(trials, find_metric(self._spec.objective.metric), self._star)
        space = self._spec.space
        prior = unless_contradicted(self._prior, known)
        startup_trials = min(self._startup_trials, WITH_PRIOR) if prior else self._startup_trials
        if len(known) < max(startup_trials, MIN_OUTCOMES):
            encoding = Encoding(space)
            name = architectures[self._rng.integers(len(architectures))]
            point = encoding.draw(1, name, self._rng)[0]
        else:
            surrogate = fit_surrogate(space, known, prior, limit_checks(self._spec, trials))
            encoding = surrogate.encoding
            running = [
                _params(each)
                for each in trials
                if each.state == TrialState.RUNNING and each.number != trial.number
            ]
            if running := list(filter(self._is_whole, running)):
                surrogate = surrogate.with_expected(encoding.encode_params(running))
            try:
                point = self._choose(trial.number, surrogate, architectures)
            except np.linalg.LinAlgError:  # a random config is better than no trial
                point = encoding.draw(1, architectures[0], self._rng)[0]
        return self._new_params(encoding, point, list(map(_params, trials)))

    def _new_params(
        self, encoding: Encoding, point: Doubles, tried: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """The parameters at the point; if a trial has exactly these, near it, or else anywhere."""
        axes = self._spec.space.axes
        architecture = encoding.decode(point).get("architecture")
        anywhere = encoding.draw(N_ANYWHERE, architecture, self._rng)
        near = [encoding.near(point[None], spread, self._rng)[0] for spread in NEARBY]
        for each in (point, *near, *anywhere):
            values = encoding.decode(each)
            params = {name: axes[name].param_of(value) for name, value in values.items()}
            if params not in tried:
                break
        return params

    def _choose(self, number: int, surrogate: Surrogate, architectures: tuple[str, ...]) -> Doubles:
        propose = thompson_sample if number % 2 else most_promising
        return propose(surrogate, architectures, self._rng)

    def _is_whole(self, params: Mapping[str, Any]) -> bool:
        """Whether a running trial has all of its parameters; it draws them one by one."""
        space = self._spec.space
        return all(name in params for name in space.unconditional(params.get("architecture")))


def _params(trial: FrozenTrial) -> dict[str, Any]:
    """The parameters that a trial has drawn or is queued with."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}
