"""Lets a sampler that needs a fixed space search the axes of one architecture at a time."""

from __future__ import annotations

from collections import Counter
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from ..definition.axes import Axis
from ..definition.space import Space
from .evidence import of_architecture, with_values

ARCHITECTURE = "architecture"

_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


class PerArchitectureSampler(BaseSampler):
    """Chooses the architecture, then its axes by a sampler that needs a fixed space.

    GPSampler and CmaEsSampler model the axes that all trials of a study have in common. With two
    architectures that is `architecture` alone, and they would draw everything else at random.
    Here they see the trials of one architecture, and the axes that all of these have.

    The architectures first take turns. A sampler that finds the optimum of one in a few trials
    would otherwise keep the choice away from the others, which have only random trials to show.

    An object serves one trial.
    """

    def __init__(
        self,
        space: Space,
        architecture: BaseSampler,
        wrapped: BaseSampler,
        independent: BaseSampler,
        *,
        turns: int,
        numeric_only: bool = False,
    ) -> None:
        """Args:
        architecture: chooses the architecture, from the trials of all of them.
        wrapped: draws the axes without conditions, from the trials of the architecture.
        independent: draws the other axes one by one, from the trials of the architecture.
        turns: trials of each architecture before one is chosen by its results.
        numeric_only: leave choices to `independent`: the wrapped sampler cannot draw them.
        """
        self._space = space
        self._architecture_sampler = architecture
        self._wrapped = wrapped
        self._independent = independent
        self._turns = turns
        self._numeric_only = numeric_only

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The axes of all architectures; `sample_relative` draws those of one."""
        return {name: _distribution(name, axis) for name, axis in self._space.axes.items()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Values by axis: the architecture, and all that the wrapped sampler draws."""
        drawn = {}
        architecture = self._architecture(trial)
        if architecture is None and ARCHITECTURE in search_space:
            architecture = self._choose_architecture(study, trial, search_space[ARCHITECTURE])
            drawn[ARCHITECTURE] = architecture
        modelled = {
            name: search_space[name]
            for name in self._space.unconditional(architecture)
            if self._models(search_space[name])
        }
        view = with_values(of_architecture(study, trial, architecture, modelled))
        return {**drawn, **self._wrapped.sample_relative(view, trial, modelled)}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The value of an axis that the wrapped sampler has not drawn."""
        view = of_architecture(study, trial, self._architecture(trial), [param_name])
        return self._independent.sample_independent(view, trial, param_name, param_distribution)

    def _choose_architecture(
        self, study: Study, trial: FrozenTrial, distribution: BaseDistribution
    ) -> Any:
        trials = study._get_trials(deepcopy=False, states=_COUNTED, use_cache=False)
        n_of = Counter(each.params.get(ARCHITECTURE) for each in trials)
        fewest = min(self._space.architectures or (), key=n_of.__getitem__)
        if n_of[fewest] < self._turns:
            return fewest
        sampler = self._architecture_sampler
        return sampler.sample_independent(study, trial, ARCHITECTURE, distribution)

    def _architecture(self, trial: FrozenTrial) -> str | None:
        """The trial's architecture, if it has been chosen."""
        queued = trial.system_attrs.get("fixed_params", {})
        architecture: str | None = {**queued, **trial.params}.get(ARCHITECTURE)
        return architecture

    def _models(self, distribution: BaseDistribution) -> bool:
        """Whether the wrapped sampler draws such an axis."""
        is_choice = isinstance(distribution, CategoricalDistribution)
        return not distribution.single() and not (is_choice and self._numeric_only)


def _distribution(name: str, axis: Axis) -> BaseDistribution:
    """The distribution that the axis asks Optuna for."""
    trial = FixedTrial({name: axis.param_of(axis.probes()[0])})
    axis.suggest(trial, name)
    return trial.distributions[name]
