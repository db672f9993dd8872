"""One transaction on the trials of a study: what is queued, which trial a process runs next.

It locks the study's row, so that no two processes claim one trial or queue the same one again. It
uses Optuna's tables: Optuna's own interface changes one thing at a time.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import (
    StudyModel,
    StudySystemAttributeModel,
    TrialHeartbeatModel,
    TrialModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
)
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.orm import Session, selectinload

from ...errors import StudyError
from .trials import WORKER, is_dead
from .worker import silent_trials

_FIXED_PARAMS = "fixed_params"  # Optuna's name: its trials take these and draw only the others

_LOADED = ("params", "values", "user_attributes", "system_attributes", "intermediate_values")


@contextmanager
def study_transaction(storage: RDBStorage, study_id: int) -> Iterator[StudyTransaction]:
    """A transaction on a study, committed when the block ends without an error.

    Within the block, call no method of `storage`: it would wait for this transaction.

    Raises:
        StudyError: the study has been deleted.
    """
    with Session(storage.engine) as session, session.begin():
        query = session.query(StudyModel).filter_by(study_id=study_id).with_for_update()
        if query.one_or_none() is None:
            raise StudyError("the study has been deleted or renamed by another process")
        yield StudyTransaction(session, storage, study_id)


class StudyTransaction:
    """The trials of a study, which no other process claims or queues meanwhile."""

    def __init__(self, session: Session, storage: RDBStorage, study_id: int) -> None:
        self._session = session
        self._storage = storage
        self._study_id = study_id

    def study_attr(self, key: str) -> Any:
        """A system attribute of the study; None if it has none of that name."""
        query = self._session.query(StudySystemAttributeModel.value_json)
        found = query.filter_by(study_id=self._study_id, key=key).scalar()
        return None if found is None else json.loads(found)

    def study_attrs(self, prefix: str) -> dict[str, Any]:
        """The study's system attributes whose names begin so."""
        columns = (StudySystemAttributeModel.key, StudySystemAttributeModel.value_json)
        found = self._study_attrs(prefix).with_entities(*columns)
        return {key: json.loads(value) for key, value in found}

    def remove_study_attrs(self, prefix: str) -> None:
        """Remove the study's system attributes whose names begin so."""
        self._study_attrs(prefix).delete(synchronize_session="fetch")

    def set_study_attr(self, key: str, value: Any) -> None:
        """Set a system attribute of the study."""
        found = {"study_id": self._study_id, "key": key}
        query = self._session.query(StudySystemAttributeModel).filter_by(**found)
        if not query.update({"value_json": json.dumps(value)}):
            self._session.add(StudySystemAttributeModel(**found, value_json=json.dumps(value)))

    def _study_attrs(self, prefix: str) -> sqlalchemy.orm.Query[StudySystemAttributeModel]:
        begins = StudySystemAttributeModel.key.startswith(prefix, autoescape=True)
        query = self._session.query(StudySystemAttributeModel)
        return query.filter_by(study_id=self._study_id).filter(begins)

    def trials(
        self, *states: TrialState, numbers: Collection[int] | None = None
    ) -> list[FrozenTrial]:
        """The trials in these states, by number.

        Args:
            numbers: read only these; reading thousands takes a second. [default: all]
        """
        query = (
            self._trials()
            .options(*(selectinload(getattr(TrialModel, name)) for name in _LOADED))
            .filter(TrialModel.state.in_(states))
            .order_by(TrialModel.trial_id)
        )
        if numbers is not None:
            query = query.filter(TrialModel.number.in_(numbers))
        return [self._storage._build_frozen_trial_from_trial_model(each) for each in query]

    def has_trial(self, trial_id: int) -> bool:
        """Whether a trial of this ID is the study's."""
        return self._trials().filter(TrialModel.trial_id == trial_id).count() > 0

    def count(self, *states: TrialState) -> int:
        """Number of trials in these states."""
        return self._trials().filter(TrialModel.state.in_(states)).count()

    def user_attrs(self, key: str) -> dict[int, Any]:
        """The values of a user attribute, by the number of the trial that has it."""
        return self._attrs(TrialUserAttributeModel, key)

    def fixed_params(self) -> dict[int, dict[str, Any]]:
        """The parameters that trials were queued or claimed with, by their numbers."""
        return self._attrs(TrialSystemAttributeModel, _FIXED_PARAMS)

    def dead_trials(self, ended_runs: Collection[str] = ()) -> list[FrozenTrial]:
        """The running trials whose process has died, or has been silent for too long.

        Args:
            ended_runs: runs that have ended, wherever they were.
        """
        silent = silent_trials(self._session, self._study_id)
        return [
            trial
            for trial in self.trials(TrialState.RUNNING)
            if is_dead(trial, silent) or trial.system_attrs.get(WORKER, {}).get("run") in ended_runs
        ]

    def count_alive(self) -> int:
        """Number of running trials whose process is still running them."""
        return self.count(TrialState.RUNNING) - len(self.dead_trials())

    def queue(self, params: Mapping[str, Any], user_attrs: Mapping[str, Any]) -> None:
        """Queue a trial, as `Study.enqueue_trial` does."""
        self._add(
            TrialState.WAITING,
            user_attributes=_attributes(TrialUserAttributeModel, user_attrs),
            system_attributes=_attributes(TrialSystemAttributeModel, {_FIXED_PARAMS: dict(params)}),
        )

    def claim(
        self,
        waiting: FrozenTrial | None,
        worker: Mapping[str, Any],
        params: Mapping[str, Any] | None = None,
    ) -> tuple[int, int]:
        """Let a worker run a queued trial, or a new one.

        Args:
            worker: its identity.
            params: of a new trial, if its sampler is not to draw them.

        Returns:
            The trial's ID and number.
        """
        if waiting is None:
            model = self._add(TrialState.RUNNING)
        else:
            model = self._session.get_one(TrialModel, waiting._trial_id)
            model.state = TrialState.RUNNING
        model.datetime_start = datetime.now()
        # The identity and the first heartbeat come with the claim: there is no moment in which
        # a running trial belongs to nobody.
        fixed = {} if params is None else {_FIXED_PARAMS: dict(params)}
        model.system_attributes.extend(
            _attributes(TrialSystemAttributeModel, {WORKER: dict(worker), **fixed})
        )
        self._session.add(TrialHeartbeatModel(trial_id=model.trial_id))
        return int(model.trial_id), int(model.number)

    def fail(self, running: FrozenTrial, user_attrs: Mapping[str, Any]) -> bool:
        """End a running trial as FAIL; False if it has ended meanwhile."""
        trial_id = running._trial_id
        model = self._session.get_one(
            TrialModel, trial_id, with_for_update=True, populate_existing=True
        )
        if model.state != TrialState.RUNNING:
            return False
        stored = {each.key: each for each in model.user_attributes}
        for key, value in user_attrs.items():
            if key in stored:
                stored[key].value_json = json.dumps(value)
            else:
                model.user_attributes.extend(_attributes(TrialUserAttributeModel, {key: value}))
        model.state = TrialState.FAIL
        model.datetime_complete = datetime.now()
        return True

    def _attrs(self, model: type[Any], key: str) -> dict[int, Any]:
        query = (
            self._session.query(TrialModel.number, model.value_json)
            .join(model, TrialModel.trial_id == model.trial_id)
            .filter(TrialModel.study_id == self._study_id, model.key == key)
        )
        return {number: json.loads(value) for number, value in query}

    def _trials(self) -> sqlalchemy.orm.Query[TrialModel]:
        return self._session.query(TrialModel).filter(TrialModel.study_id == self._study_id)

    def _add(self, state: TrialState, **values: Any) -> TrialModel:
        model = TrialModel(study_id=self._study_id, state=state, **values)
        self._session.add(model)
        self._session.flush()
        model.number = model.count_past_trials(self._session)
        return model


def _attributes(model: type[Any], values: Mapping[str, Any]) -> list[Any]:
    return [model(key=key, value_json=json.dumps(value)) for key, value in values.items()]
