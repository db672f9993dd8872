"""How far a study has come: what its trials have cost, and whether its target is reached."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState

from ..definition.budget import Spending
from ..definition.settings import Target
from ..storage.trials import EPOCH_AT, has_vanished


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


def target_reached(target: Target | None, trials: Iterable[FrozenTrial]) -> bool:
    """Whether a completed trial is below the target."""
    return target is not None and any(
        trial.state == TrialState.COMPLETE
        and trial.user_attrs.get(target.metric, float("inf")) < target.below
        for trial in trials
    )
