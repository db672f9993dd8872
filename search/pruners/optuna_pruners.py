"""Optuna's own pruners as tables of a study file, each with the reason that Optuna does not give.

They compare the trial's values with those of other trials at the same epoch. An Optuna step is one
epoch here, counted from 1.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState
from pydantic import Field

from ...base.strict import Count, Natural, Number, Strict, Whole
from ...model.evaluation.metrics import Metric
from .rule import Kind, Stop


class OptunaPruner(Strict):
    """One of Optuna's pruners, and how it explains itself."""

    stop_reason: ClassVar[str]  # the pruner's name, with hyphens
    kind: ClassVar[Kind] = Kind.BEHIND

    @abstractmethod
    def build(self) -> BasePruner: ...

    @abstractmethod
    def explain(self, study: optuna.Study, trial: FrozenTrial, metric: Metric) -> str:
        """Why this pruner stops the trial."""

    def brief(self, metric: Metric) -> str:
        """The same in at most four words."""
        return "not promoted"

    def stop(self, study: optuna.Study, trial: FrozenTrial, metric: Metric) -> Stop:
        reason = self.explain(study, trial, metric)
        return Stop(self.stop_reason, reason, self.kind, brief=self.brief(metric))


class Percentile(OptunaPruner):
    """Keeps the best `percentile` percent of the trials at each epoch."""

    stop_reason: ClassVar[str] = "percentile"

    percentile: Annotated[Number, Field(ge=0, le=100)] = 25.0
    startup_trials: Natural = 5
    warmup_epochs: Natural = 10
    interval_epochs: Count = 1

    def build(self) -> BasePruner:
        return optuna.pruners.PercentilePruner(
            self.percentile,
            n_startup_trials=self.startup_trials,
            n_warmup_steps=self.warmup_epochs + 1,
            interval_steps=self.interval_epochs,
        )

    def explain(self, study: optuna.Study, trial: FrozenTrial, metric: Metric) -> str:
        """Compare the best value so far with the others' values at this epoch, as Optuna does."""
        epoch = _epoch(trial)
        best = metric.best(trial.intermediate_values.values())
        assert best is not None
        values = _completed_values(study, epoch)
        costs = [metric.cost(value) for value in values]
        limit = metric.cost(float(np.nanpercentile(costs, self.percentile)))
        return (
            f"best {metric.label} {metric.format(best)} by epoch {epoch} is {metric.worse_side} "
            f"{metric.format(limit)}, the {self._name} of the {len(values)} completed trials at "
            "that epoch"
        )

    def brief(self, metric: Metric) -> str:
        return f"{metric.worse_side} the {self._name}"

    @property
    def _name(self) -> str:
        return "median" if self.percentile == 50 else f"{self.percentile:g}th percentile"


class Median(Percentile):
    stop_reason: ClassVar[str] = "median"

    percentile: Annotated[Number, Field(ge=50, le=50, exclude=True)] = 50.0


class SuccessiveHalving(OptunaPruner):
    """Keeps the best trials at each rung; rungs are ever further apart (Li et al. 2018, ASHA)."""

    stop_reason: ClassVar[str] = "successive-halving"

    least_epochs: Count = 1  # before the first rung
    reduction_factor: Annotated[Whole, Field(ge=2)] = 4

    def build(self) -> BasePruner:
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=self.least_epochs, reduction_factor=self.reduction_factor
        )

    def explain(self, study: optuna.Study, trial: FrozenTrial, metric: Metric) -> str:
        epoch = _epoch(trial)
        n = sum(epoch in other.intermediate_values for other in study.get_trials(deepcopy=False))
        rung = f"the {n} trials that reached this rung of successive halving"
        return rung_reason(trial, self.reduction_factor, rung, metric)


class Hyperband(OptunaPruner):
    """Several brackets of successive halving (Li et al. 2018, arXiv:1603.06560).

    TPE learns from the trials of all brackets together. Optuna would keep the brackets separate,
    but does not see this pruner inside `TrialPruner`.
    """

    stop_reason: ClassVar[str] = "hyperband"

    least_epochs: Count = 1
    most_epochs: Count | None = None  # by default as many as the first completed trial ran
    reduction_factor: Annotated[Whole, Field(ge=2)] = 3

    def build(self) -> BasePruner:
        return optuna.pruners.HyperbandPruner(
            min_resource=self.least_epochs,
            max_resource=self.most_epochs or "auto",
            reduction_factor=self.reduction_factor,
        )

    def explain(self, study: optuna.Study, trial: FrozenTrial, metric: Metric) -> str:
        # How many trials reached the rung depends on the bracket, which is internal to Optuna.
        return rung_reason(trial, self.reduction_factor, "its rung of hyperband", metric)


def rung_reason(trial: FrozenTrial, factor: int, rung: str, metric: Metric) -> str:
    epoch = _epoch(trial)
    value = metric.format(trial.intermediate_values[epoch])
    return f"{metric.label} {value} in epoch {epoch} is not in the best 1/{factor} of {rung}"


def _completed_values(study: optuna.Study, epoch: int) -> list[float]:
    completed = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    return [t.intermediate_values[epoch] for t in completed if epoch in t.intermediate_values]


def _epoch(trial: FrozenTrial) -> int:
    assert trial.last_step is not None
    return trial.last_step
