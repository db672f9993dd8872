"""Trials that are queued to be tried again, or otherwise, and told which one they come from."""

from __future__ import annotations

from typing import Any

from optuna import Study
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from ..definition.space import field_of
from ..definition.study_file import StudySpec
from ..storage.trials import CONFIG, INTERRUPTED, OUT_OF_MEMORY, VANISHED, counts, has_vanished
from .second_chances import SecondChance, second_chance

# What a queued trial is told by its attributes, and is told again when it is queued again.
_KEPT = ("known_config", "fixed", "contingency_of", "after_out_of_memory", "second_chance")


def reconcile(study: Study, storage: BaseStorage, spec: StudySpec) -> None:
    """Sets right what a crash left, and queues what is to be tried again.

    Trials of dead processes end, interrupted ones are queued anew, and a trial that went wrong gets
    its second chance. Whatever moment a crash came at, the next call finishes what it began.
    """
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        if has_vanished(trial):
            storage.set_trial_user_attr(trial._trial_id, "stop_reason", INTERRUPTED)
            storage.set_trial_user_attr(trial._trial_id, "reason", VANISHED)
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
        elif not counts(trial):
            requeue(study, trial)


def requeue(study: Study, trial: FrozenTrial) -> None:
    """Queues the trial's parameters again, as a trial that names the one it came from."""
    # What a queued trial had not drawn yet when it ended, it has in the queue's attribute only.
    params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    study.enqueue_trial(params, user_attrs={**_kept(trial), "retry_of": trial.number})


def queue_second_chance(
    study: Study, trial: FrozenTrial, chance: SecondChance, spec: StudySpec
) -> None:
    """Queues the trial's config with its changes; fields without an axis are fixed."""
    params = spec.space.params_of({**trial.system_attrs[CONFIG], **chance.changes})
    drawn = {field_of(name) for name in params}
    fixed = {**trial.user_attrs.get("fixed", {}), **chance.changes}
    again = trial.user_attrs["stop_reason"] == OUT_OF_MEMORY
    attrs: dict[str, Any] = {
        **_kept(trial),
        "fixed": {field: value for field, value in fixed.items() if field not in drawn},
        "second_chance": f"{chance.what}, because trial {trial.number} {chance.because}",
    }
    # Out of memory it is the same trial again; otherwise another attempt, that counts.
    attrs |= (
        {"retry_of": trial.number, "after_out_of_memory": True}
        if again
        else {"contingency_of": trial.number}
    )
    study.enqueue_trial(params, user_attrs=attrs)


def _kept(trial: FrozenTrial) -> dict[str, Any]:
    return {name: trial.user_attrs[name] for name in _KEPT if name in trial.user_attrs}
