"""Optuna's own pruners as tables of a study file, each with the reason that Optuna does not give.

They compare the trial's validation RMSE with that of others at the same epoch. Optuna counts steps;
here one step is one epoch, counted from 1.
"""

from __future__ import annotations

from abc import abstractmethod
from math import isfinite
from typing import Annotated

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState
from pydantic import Field

from ...base.strict import Count, Natural, Number, Strict, Whole
from .progress import Stop


class OptunaPruner(Strict):
    """One of Optuna's pruners, and its words."""

    @abstractmethod
    def build(self) -> BasePruner: ...

    @abstractmethod
    def told(self, study: optuna.Study, trial: FrozenTrial) -> str:
        """Why a trial that it prunes is pruned."""

    def stop(self, study: optuna.Study, trial: FrozenTrial) -> Stop:
        return Stop("hopeless", self.told(study, trial))


class Percentile(OptunaPruner):
    """Keeps the best `percentile` of the trials at each epoch."""

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

    def told(self, study: optuna.Study, trial: FrozenTrial) -> str:
        """Best so far against the others' values of the same epoch, as Optuna compares them."""
        epoch = _epoch(trial)
        best = min(value for value in trial.intermediate_values.values() if isfinite(value))
        values = _completed_values(study, epoch)
        limit = float(np.nanpercentile(values, self.percentile))
        name = "median" if self.percentile == 50 else f"{self.percentile:g}th percentile"
        return (
            f"best validation RMSE {best:.4f} by epoch {epoch} is above {limit:.4f}, the {name} of "
            f"the {len(values)} completed trials at that epoch"
        )


class Median(Percentile):
    percentile: Annotated[Number, Field(ge=50, le=50, exclude=True)] = 50.0


class SuccessiveHalving(OptunaPruner):
    """Keeps the best of each rung, which lie further and further apart (Li et al. 2018, ASHA)."""

    least_epochs: Count = 1  # before the first rung
    reduction_factor: Annotated[Whole, Field(ge=2)] = 4

    def build(self) -> BasePruner:
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=self.least_epochs, reduction_factor=self.reduction_factor
        )

    def told(self, study: optuna.Study, trial: FrozenTrial) -> str:
        epoch = _epoch(trial)
        n = sum(epoch in other.intermediate_values for other in study.get_trials(deepcopy=False))
        rung = f"the {n} trials that came to this rung of successive halving"
        return _told_rung(trial, self.reduction_factor, rung)


class Hyperband(OptunaPruner):
    """Several brackets of successive halving (Li et al. 2018, arXiv:1603.06560).

    The sampler learns from all brackets together, where Optuna's own combination of the two keeps
    them apart: TPE cannot see this pruner among others.
    """

    least_epochs: Count = 1
    most_epochs: Count | None = None  # by default the first completed trial's
    reduction_factor: Annotated[Whole, Field(ge=2)] = 3

    def build(self) -> BasePruner:
        return optuna.pruners.HyperbandPruner(
            min_resource=self.least_epochs,
            max_resource=self.most_epochs or "auto",
            reduction_factor=self.reduction_factor,
        )

    def told(self, study: optuna.Study, trial: FrozenTrial) -> str:
        # How many came to it depends on the bracket, which is Optuna's own affair.
        return _told_rung(trial, self.reduction_factor, "its rung of hyperband")


def _told_rung(trial: FrozenTrial, factor: int, rung: str) -> str:
    epoch = _epoch(trial)
    return (
        f"validation RMSE {trial.intermediate_values[epoch]:.4f} in epoch {epoch} is not in the "
        f"best 1/{factor} of {rung}"
    )


def _completed_values(study: optuna.Study, epoch: int) -> list[float]:
    completed = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    return [t.intermediate_values[epoch] for t in completed if epoch in t.intermediate_values]


def _epoch(trial: FrozenTrial) -> int:
    assert trial.last_step is not None
    return trial.last_step
