"""Removes trials from a study: their results, epoch reports and checkpoints.

Optuna numbers a trial by the rows before it, so no row can be deleted. A removed trial stays as a
failed one without parameters and values, which neither counts nor guides the search.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.storages._rdb.models import (
    StudySystemAttributeModel,
    TrialModel,
    TrialUserAttributeModel,
)
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.orm import Session

from ...errors import StudyError
from ...model.evaluation.metrics import Metric
from ..running.checkpoint_folders import folder_name
from ..running.ended_trials import ended_at, trained_epochs
from ..storage.database import readable_storage
from ..storage.studies import note_prefix
from ..storage.tables import TRIAL_DETAILS
from ..storage.trials import (
    REMOVED,
    SAME_AS,
    find_trial,
    first_attempt,
    is_removed,
    read_trials,
    trial_record,
)
from .confirmation.standings import RESULT
from .housekeeping import artifacts_of, delete_files, held
from .reader import StudyReader

# Attributes that a removed trial keeps. Without them, the next start would queue the known config,
# or the second chance, again.
_KEPT = ("known_config", "retry_of", "contingency_of")


def find_removal(url: str, name: str | None, numbers: Iterable[int]) -> list[dict[str, Any]]:
    """The records of the trials that `remove_trials` would remove, by number.

    Raises:
        NothingYet, StudyError: as for `remove_trials`.
    """
    reader = StudyReader(url, name)
    storage = readable_storage(url)
    study = optuna.load_study(study_name=reader.spec.name, storage=storage)
    trials = _removal(read_trials(study, storage), numbers, reader.spec.name)
    return [trial_record(trial, reader.metric) for trial in trials]


def remove_trials(url: str, name: str | None, numbers: Iterable[int]) -> list[int]:
    """Remove trials, all attempts at them, and the trials that reuse their results.

    Args:
        name: of the study; may be None if the storage holds only one.

    Returns:
        The numbers of the removed trials.

    Raises:
        NothingYet: there is no storage yet.
        StudyError: no such study or trial, it is removed already, or the study is being run.
    """
    reader = StudyReader(url, name)
    with held(url, reader.spec.name) as storage:
        study = optuna.load_study(study_name=reader.spec.name, storage=storage)
        all_trials = read_trials(study, storage)
        trials = _removal(all_trials, numbers, reader.spec.name)
        folders = {folder_name(trial, all_trials, study) for trial in trials}
        artifacts = artifacts_of(trials, storage)
        # First: files without a trial do no harm, a trial without its files would.
        with storage.scoped_session() as session, session.begin():
            for trial in trials:
                _remove(session, study._study_id, trial, reader.metric)
        delete_files(url, artifacts, folders.__contains__)
    return [trial.number for trial in trials]


def _removal(
    trials: Sequence[FrozenTrial], numbers: Iterable[int], study: str
) -> list[FrozenTrial]:
    """The trials of these numbers, all attempts at them, and those that reuse their results."""
    chosen = [find_trial(trials, number, study) for number in numbers]
    for trial in filter(is_removed, chosen):
        raise StudyError(f"trial {trial.number} of {study} has been removed already")
    first = {trial.number: first_attempt(trial, trials).number for trial in trials}
    wanted = {first[trial.number] for trial in chosen}
    reused = {number for number in first if first[number] in wanted}
    wanted |= {first[trial.number] for trial in trials if trial.user_attrs.get(SAME_AS) in reused}
    found = [trial for trial in trials if first[trial.number] in wanted]
    for trial in found:
        if trial.state == TrialState.RUNNING:
            raise StudyError(f"trial {trial.number} of {study} is running; stop the study first")
    return found


def _remove(session: Session, study_id: int, trial: FrozenTrial, metric: Metric) -> None:
    """Remove one trial's details, the results of its retrainings, and its note."""
    attrs = {
        **{name: trial.user_attrs[name] for name in _KEPT if name in trial.user_attrs},
        "epochs": trained_epochs(trial),
        "stop_reason": REMOVED,
        "reason": f"removed by recsys-search trials rm; was {_describe(trial, metric)}",
    }
    row = session.get_one(TrialModel, trial._trial_id)
    row.state = TrialState.FAIL
    # The budget still counts its time.
    started_at = trial.datetime_start
    row.datetime_complete = ended_at(trial, started_at) if started_at else datetime.now()
    row.datetime_start = trial.datetime_start or row.datetime_complete
    for model in TRIAL_DETAILS:
        session.query(model).filter_by(trial_id=trial._trial_id).delete()
    session.add_all(
        TrialUserAttributeModel(trial_id=trial._trial_id, key=key, value_json=json.dumps(value))
        for key, value in attrs.items()
    )
    for prefix in (f"{RESULT}:{trial.number}:", f"{note_prefix(trial._trial_id)}_"):
        key = StudySystemAttributeModel.key.startswith(prefix, autoescape=True)
        session.query(StudySystemAttributeModel).filter_by(study_id=study_id).filter(key).delete()


def _describe(trial: FrozenTrial, metric: Metric) -> str:
    """A trial's state and result, such as `complete (plateau) with val_rmse 0.8123`."""
    record = trial_record(trial, metric)
    state, stop_reason, value = record["state"], record["stop_reason"], record["value"]
    cause = f" ({stop_reason})" if stop_reason not in (None, state) else ""
    return state + cause + ("" if value is None else f" with {metric.name} {metric.format(value)}")
