"""How far a study has come: what its trials have cost, and whether its target is reached."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ..definition.budget import Spending
from ..definition.objective import Target
from ..storage.trials import EPOCH_AT, is_removed, worker_died


def study_state(status: dict[str, Any]) -> str:
    """The study's state in a word or two.

    Args:
        status: as `status --json` prints it, but for this.
    """
    if status["running"]:
        return "running"
    if status["target"] and status["target"]["reached"]:
        return "target reached"
    return "done" if status["done"] >= status["total"] else "paused"


def target_reached(target: Target | None, trials: Iterable[FrozenTrial]) -> bool:
    """Whether a completed trial is better than the target."""
    return target is not None and any(
        trial.state == TrialState.COMPLETE
        and target.is_reached(trial.user_attrs.get(target.metric))
        for trial in trials
    )


def spending(trials: Iterable[FrozenTrial]) -> Spending:
    """What all trials have cost, including those that are running, failed, retried or removed."""
    trials = list(trials)
    return Spending(sum(map(epochs_spent, trials)), elapsed_s(trials))


def epochs_spent(trial: FrozenTrial) -> int:
    """The epochs that the trial has trained, without those that it took over from an attempt."""
    if is_removed(trial):
        return int(trial.user_attrs["epochs"])  # all that is left of them
    return len(trial.intermediate_values) - (trial.user_attrs.get("resumed_from_epoch") or 0)


def elapsed_s(trials: Iterable[FrozenTrial]) -> float:
    """Wall-clock seconds in which at least one trial ran; time between starts does not count."""
    spans = sorted(
        (trial.datetime_start, ended_at(trial)) for trial in trials if trial.datetime_start
    )
    total_s, until = 0.0, datetime.min
    for start, end in spans:
        total_s += max(0.0, (end - max(start, until)).total_seconds())
        until = max(until, end)
    return round(total_s, 1)


def ended_at(trial: FrozenTrial) -> datetime:
    """When the trial ended; now if it is running; the end of its last epoch if its process died.

    For a trial whose process died, Optuna stores when that was noticed, which may be much later.
    """
    assert trial.datetime_start is not None
    if not worker_died(trial):
        return trial.datetime_complete or datetime.now()
    epoch_at = trial.system_attrs.get(EPOCH_AT)
    return datetime.fromisoformat(epoch_at) if epoch_at else trial.datetime_start
