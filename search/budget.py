"""What a study has cost, and what it may."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, NamedTuple, Self

from optuna.trial import FrozenTrial
from pydantic import Field, model_validator

from ..strict import Count, Number, Strict
from .trials import EPOCH_AT, has_vanished

Positive = Annotated[Number, Field(gt=0)]


class Spending(NamedTuple):
    """Attributes: seconds: wall clock in which at least one trial ran, over all starts."""

    epochs: int
    seconds: float


class Budget(Strict):
    """Of a whole study, over all its starts. What is spent ends it; a raised budget goes on."""

    epochs: Count | None = None
    seconds: Positive | None = None
    usd: Positive | None = None
    usd_per_hour: Positive | None = None  # of the machine

    @model_validator(mode="after")
    def _has_a_price(self) -> Self:
        if self.usd is not None and self.usd_per_hour is None:
            raise ValueError("usd needs usd_per_hour (--usd-per-hour), the price of the machine")
        return self

    def cost_usd(self, spent: Spending) -> float | None:
        """None where nobody said what an hour costs."""
        return None if self.usd_per_hour is None else spent.seconds / 3600 * self.usd_per_hour

    def exhausted(self, spent: Spending) -> str | None:
        """Which part of it is spent, in a sentence."""
        if self.epochs is not None and spent.epochs >= self.epochs:
            return f"the study's budget of {self.epochs} epochs is spent"
        if self.seconds is not None and spent.seconds >= self.seconds:
            return f"the study's budget of {self.seconds:g} s is spent"
        cost = self.cost_usd(spent)
        if self.usd is not None and cost is not None and cost >= self.usd:
            return (
                f"the study's budget of {self.usd:g} USD is spent: {spent.seconds / 3600:.2f} h "
                f"at {self.usd_per_hour:g} USD an hour"
            )
        return None


def spending(trials: Iterable[FrozenTrial]) -> Spending:
    """Of all trials, those included that still run, failed, or were tried again."""
    trials = list(trials)
    return Spending(sum(len(trial.intermediate_values) for trial in trials), elapsed_s(trials))


def elapsed_s(trials: Iterable[FrozenTrial]) -> float:
    """Wall clock in which at least one trial ran: the nights between two starts do not count."""
    spans = sorted(
        (trial.datetime_start, _end_of(trial)) for trial in trials if trial.datetime_start
    )
    total_s, until = 0.0, datetime.min
    for start, end in spans:
        total_s += max(0.0, (end - max(start, until)).total_seconds())
        until = max(until, end)
    return round(total_s, 1)


def _end_of(trial: FrozenTrial) -> datetime:
    """Now for a trial that runs; of a killed one, when it ended its last epoch.

    Optuna has another end of a killed trial: when it was found dead, maybe the next morning.
    """
    assert trial.datetime_start is not None
    if not has_vanished(trial):
        return trial.datetime_complete or datetime.now()
    epoch_at = trial.system_attrs.get(EPOCH_AT)
    return datetime.fromisoformat(epoch_at) if epoch_at else trial.datetime_start
