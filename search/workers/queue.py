"""Queues trials to be run again, as they were or changed, each linked to its first attempt."""

from __future__ import annotations

from typing import Any

from optuna import Study
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from ..definition.space import field_of
from ..definition.study_file import StudySpec
from ..running.second_chances import SecondChance, second_chance
from ..storage.trials import (
    CONFIG,
    INTERRUPTED,
    OUT_OF_MEMORY,
    WORKER,
    WORKER_DIED,
    is_repeated,
    worker_died,
)
from ..storage.worker import is_this_process

# Attributes of a queued trial that it keeps when it is queued again.
_KEPT = ("known_config", "fixed", "contingency_of", "after_out_of_memory", "second_chance")


def recover_queue(study: Study, storage: BaseStorage, spec: StudySpec) -> None:
    """Clean up after a trial or a crash, and queue what is to be tried again.

    Trials whose process died are ended, interrupted ones are queued again, and a trial that went
    wrong gets its second chance. If a crash interrupts this, the next call finishes it.
    """
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        if worker_died(trial) or _is_left_over(trial):
            storage.set_trial_user_attr(trial._trial_id, "stop_reason", INTERRUPTED)
            storage.set_trial_user_attr(trial._trial_id, "reason", WORKER_DIED)
            storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    trials = study.get_trials(deepcopy=False)
    followed = {
        trial.user_attrs.get(key) for trial in trials for key in ("retry_of", "contingency_of")
    }
    for trial in trials:
        if not trial.state.is_finished() or trial.number in followed:
            continue
        if chance := second_chance(trial, spec.space, spec.contingency):
            queue_second_chance(study, trial, chance, spec)
        elif is_repeated(trial):
            requeue(study, trial)


def _is_left_over(trial: FrozenTrial) -> bool:
    """Whether this process ran the trial: none is running while the queue is recovered.

    Its end could not be stored when the storage failed.
    """
    worker = trial.system_attrs.get(WORKER)
    return worker is not None and is_this_process(worker)


def requeue(study: Study, trial: FrozenTrial) -> None:
    """Queue the trial's parameters again, as a new trial whose `retry_of` is its number."""
    # Queued parameters that the trial had not drawn yet are only in this attribute of Optuna's.
    params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    study.enqueue_trial(params, user_attrs={**_kept_attrs(trial), "retry_of": trial.number})


def queue_second_chance(
    study: Study, trial: FrozenTrial, chance: SecondChance, spec: StudySpec
) -> None:
    """Queue the trial's config with the changes; fields without an axis are fixed."""
    params = spec.space.params_of({**trial.system_attrs[CONFIG], **chance.changes})
    drawn = {field_of(name) for name in params}
    fixed = {**trial.user_attrs.get("fixed", {}), **chance.changes}
    attrs: dict[str, Any] = {
        **_kept_attrs(trial),
        "fixed": {field: value for field, value in fixed.items() if field not in drawn},
        "second_chance": f"{chance.change}, because trial {trial.number} {chance.cause}",
    }
    # After out-of-memory it is the same trial again; otherwise it is another trial, which counts.
    attrs |= (
        {"retry_of": trial.number, "after_out_of_memory": True}
        if trial.user_attrs["stop_reason"] == OUT_OF_MEMORY
        else {"contingency_of": trial.number}
    )
    study.enqueue_trial(params, user_attrs=attrs)


def _kept_attrs(trial: FrozenTrial) -> dict[str, Any]:
    return {name: trial.user_attrs[name] for name in _KEPT if name in trial.user_attrs}
