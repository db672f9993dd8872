"""What a trial leaves behind, and how trials are counted.

Scalars that a person reads are user attributes, which the dashboard shows. What only this program
reads are system attributes. Epoch reports are an artifact.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from .worker import is_gone

CONFIG = "recsys_search:config"
WORKER = "recsys_search:worker"
ENVIRONMENT = "recsys_search:environment"
EPOCH_AT = "recsys_search:epoch_at"  # when its last epoch ended, in ISO 8601
SAME_AS = "same_as"
INTERRUPTED = "interrupted"
OUT_OF_MEMORY = "out-of-memory"
VANISHED = "its process ended without a word: killed, or the machine went down"

STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


def record_of(trial: FrozenTrial) -> dict[str, Any]:
    """One trial as `trials --json` prints it."""
    attrs = trial.user_attrs
    vanished = has_vanished(trial)
    stop_reason = INTERRUPTED if vanished else attrs.get("stop_reason")
    return {
        "number": trial.number,
        # Optuna knows no interrupted trial: to it, one failed.
        "state": INTERRUPTED if stop_reason == INTERRUPTED else STATES[trial.state],
        "val_rmse": attrs.get("val_rmse", _best_so_far(trial)),
        "val_mse": attrs.get("val_mse"),
        "epochs": attrs.get("epochs", len(trial.intermediate_values)),
        "best_epoch": attrs.get("best_epoch"),
        "architecture": attrs.get("architecture", trial.params.get("architecture")),
        "params": attrs.get("params"),
        "stop_reason": stop_reason,
        "reason": VANISHED if vanished else attrs.get("reason"),
        "warning": attrs.get("warning"),
        "train_s": attrs.get("train_s"),
        "known_config": attrs.get("known_config"),
        "retry_of": attrs.get("retry_of"),
        "contingency_of": attrs.get("contingency_of"),
        "second_chance": attrs.get("second_chance"),
        "same_as": attrs.get(SAME_AS),
        "resumed_from_epoch": attrs.get("resumed_from_epoch"),
    }


def has_vanished(trial: FrozenTrial) -> bool:
    """Whether the trial's process ended without a word; Optuna may still call it running."""
    if trial.state == TrialState.RUNNING:
        worker = trial.system_attrs.get(WORKER)
        return worker is not None and is_gone(worker)
    return trial.state == TrialState.FAIL and trial.user_attrs.get("reason", VANISHED) == VANISHED


def counts(trial: FrozenTrial) -> bool:
    """Whether the trial is one of the study's total: over for good, and not to be tried again."""
    if not trial.state.is_finished():
        return False
    if trial.state == TrialState.FAIL and trial.user_attrs.get("stop_reason") == OUT_OF_MEMORY:
        return False
    return record_of(trial)["state"] != INTERRUPTED


def best_trials(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The completed trials that were trained themselves, best validation RMSE first."""
    return sorted(filter(is_trained_whole, trials), key=lambda trial: (trial.value, trial.number))


def is_trained_whole(trial: FrozenTrial) -> bool:
    """Whether the trial is complete by its own epochs, and not by an earlier trial's."""
    return trial.state == TrialState.COMPLETE and SAME_AS not in trial.user_attrs


def _best_so_far(trial: FrozenTrial) -> float | None:
    """Of a trial that still runs, or was killed."""
    values = [value for value in trial.intermediate_values.values() if isfinite(value)]
    return min(values, default=None)


RECORD_KEYS = tuple(record_of(create_trial(state=TrialState.WAITING)))
"""The keys of a record, in their order."""
