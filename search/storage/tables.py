"""Optuna's tables: whether a database holds them, and all trials of a study read at once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Container, Iterable
from functools import cache, cached_property
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import json_to_distribution
from optuna.storages import RDBStorage
from optuna.storages._rdb import storage as rdb
from optuna.storages._rdb.models import (
    BaseModel,
    StudyModel,
    TrialHeartbeatModel,
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
    VersionInfoModel,
)
from optuna.storages._rdb.storage import _create_scoped_session, _VersionManager
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from ...errors import StorageError

# What a trial has besides its number, state and times, which are in `TrialModel`.
TRIAL_DETAILS = (
    TrialHeartbeatModel,
    TrialIntermediateValueModel,
    TrialParamModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
)


_REVISION = sqlalchemy.table("alembic_version", sqlalchemy.column("version_num"))


class _Versions(_VersionManager):
    """Optuna's check of the tables' version, without alembic for tables of this very version.

    Creating and upgrading tables both store the version of Optuna that did it, so nothing is left
    to compare; and alembic takes as long to import as a study to read.
    """

    def _init_alembic(self) -> None:
        if not self._is_this_version:
            super()._init_alembic()

    def check_table_schema_compatibility(self) -> None:
        if not self._is_this_version:
            super().check_table_schema_compatibility()

    @cached_property
    def _is_this_version(self) -> bool:
        with self.engine.connect() as connection:
            if not sqlalchemy.inspect(connection).has_table(_REVISION.name):
                return False
            if connection.execute(sqlalchemy.select(_REVISION)).first() is None:
                return False
        with _create_scoped_session(self.scoped_session) as session:
            info = VersionInfoModel.find(session)
            return info is not None and bool(info.library_version == optuna.__version__)


rdb._VersionManager = _Versions  # type: ignore[misc]  # RDBStorage has no argument for it


class TableStorage(RDBStorage):
    """Optuna's storage, which reads all trials of a study with one query per table.

    Optuna makes an object of each row, and parses the distribution of each parameter: at 5,000
    trials that takes six times as long.
    """

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        if states is not None or trial_id_greater_than > -1:  # only some trials: few, as a rule
            return super()._get_trials(study_id, states, included_trial_ids, trial_id_greater_than)
        with _create_scoped_session(self.scoped_session) as session:
            StudyModel.find_or_raise_by_id(study_id, session)
            return _read_trials(session, study_id)


def _read_trials(session: sqlalchemy.orm.Session, study_id: int) -> list[FrozenTrial]:
    # The trials come first: one whose state says that it has ended has all its values by then.
    of_study = session.query(TrialModel).filter(TrialModel.study_id == study_id)
    models: list[Any] = of_study.order_by(TrialModel.trial_id).all()

    def rows(model: Any, *columns: str) -> Iterable[Any]:
        """Columns of the study's trials, after the trial's id, in the order of storing."""
        [key] = model.__table__.primary_key
        chosen = sqlalchemy.select(model.trial_id, *(getattr(model, name) for name in columns))
        of_trials = chosen.join(TrialModel, TrialModel.trial_id == model.trial_id)
        query = of_trials.where(TrialModel.study_id == study_id).order_by(key)
        return session.connection().execute(query)  # the session would do more for each row

    values: dict[int, dict[int, float]] = defaultdict(dict)
    for trial, objective, *stored in rows(TrialValueModel, "objective", "value", "value_type"):
        values[trial][objective] = TrialValueModel.stored_repr_to_value(*stored)
    params: dict[int, dict[str, Any]] = defaultdict(dict)
    distributions: dict[int, dict[str, Any]] = defaultdict(dict)
    parse = cache(json_to_distribution)
    for trial, name, value, text in rows(
        TrialParamModel, "param_name", "param_value", "distribution_json"
    ):
        distributions[trial][name] = distribution = parse(text)
        params[trial][name] = distribution.to_external_repr(value)
    user_attrs: dict[int, dict[str, Any]] = defaultdict(dict)
    system_attrs: dict[int, dict[str, Any]] = defaultdict(dict)
    for model, attrs in (
        (TrialUserAttributeModel, user_attrs),
        (TrialSystemAttributeModel, system_attrs),
    ):
        for trial, name, text in rows(model, "key", "value_json"):
            attrs[trial][name] = json.loads(text)
    curves: dict[int, dict[int, float]] = defaultdict(dict)
    read_value = TrialIntermediateValueModel.stored_repr_to_intermediate_value
    for trial, step, *stored in rows(
        TrialIntermediateValueModel, "step", "intermediate_value", "intermediate_value_type"
    ):
        curves[trial][step] = read_value(*stored)
    return [
        FrozenTrial(
            number=model.number,
            state=model.state,
            value=None,
            values=[value for _, value in sorted(values[trial].items())] or None,
            datetime_start=model.datetime_start,
            datetime_complete=model.datetime_complete,
            params=params[trial],
            distributions=distributions[trial],
            user_attrs=user_attrs[trial],
            system_attrs=system_attrs[trial],
            intermediate_values=curves[trial],
            trial_id=trial,
        )
        for model in models
        for trial in [model.trial_id]
    ]


def holds_studies(url: URL, name: str, options: dict[str, Any]) -> bool:
    """Whether the database has all of Optuna's tables.

    False for an empty one, and if creating the tables was cut off: that can be finished.

    Args:
        name: of the database, for messages.
        options: of SQLAlchemy's engine.

    Raises:
        StorageError: the tables are those of another program, or some are missing.
        SQLAlchemyError, ImportError: the database cannot be opened.
    """
    engine = sqlalchemy.create_engine(url, **options, poolclass=NullPool)
    with engine.connect() as connection:
        tables = sqlalchemy.inspect(connection)
        names = tables.get_table_names()
        has_version = _has_rows(connection, "version_info", names)
        has_revision = _has_rows(connection, "alembic_version", names)
        if has_version:
            missing = [each for each in BaseModel.metadata.tables if each not in names]
            if has_revision and missing:
                raise StorageError(
                    f"{name} is damaged: it has no table {missing[0]}; restore it from a copy"
                )
            return has_revision
        if not has_revision and not any(_is_foreign(tables, each) for each in names):
            return False
    raise StorageError(f"{name} is the database of another program; name another with --storage")


def _has_rows(connection: sqlalchemy.Connection, table: str, names: list[str]) -> bool:
    """Whether a table exists and is not empty."""
    if table not in names:
        return False
    count = connection.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar()
    return bool(count)


def _is_foreign(tables: sqlalchemy.Inspector, name: str) -> bool:
    """Whether a table is another program's.

    On a server, programs share a database, so only a table with a name of Optuna's matters.
    """
    ours = BaseModel.metadata.tables
    if name not in ours:
        return tables.dialect.name == "sqlite" and name != "alembic_version"
    columns = {column["name"] for column in tables.get_columns(name)}
    return columns != set(ours[name].columns.keys())
