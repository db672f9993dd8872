"""Deletes and renames studies, with what they have outside of the database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime

import optuna
from optuna.artifacts import get_all_artifact_meta
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import StudyModel, StudySystemAttributeModel
from optuna.trial import FrozenTrial

from ...errors import StudyError
from ..storage.artifacts import artifact_store, checkpoint_folder
from ..storage.claims import study_transaction
from ..storage.database import readable_storage, writable_storage
from ..storage.examples import example, storage_option
from ..storage.locks import lock_file, study_lock
from ..storage.studies import (
    SPEC,
    STOPPED,
    check_exists,
    checkpoint_prefix,
    is_taken,
    read_stored_specs,
)
from ..storage.urls import redact


def count_trials_of(url: str, name: str) -> int:
    """Number of all trials of a study, whatever their state.

    Raises:
        NothingYet: there is no storage yet.
        StudyError: this program has no study of that name there.
    """
    storage = readable_storage(url)
    check_exists(name, read_stored_specs(storage), url)
    return len(optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False))


def delete_study(url: str, name: str) -> None:
    """Delete a study with its trials, epoch reports and checkpoints.

    Raises:
        NothingYet, StudyError: as for `count_trials_of`, or the study is being run.
    """
    with held(url, name) as storage:
        study = optuna.load_study(study_name=name, storage=storage)
        artifacts = artifacts_of(study.get_trials(deepcopy=False), storage)
        prefix = checkpoint_prefix(study)
        # First: files without a study do no harm, a study without its files would.
        optuna.delete_study(study_name=name, storage=storage)
        delete_files(url, artifacts, lambda folder: folder.startswith(prefix))


def rename_study(url: str, name: str, new_name: str) -> None:
    """Give a study another name.

    Raises:
        NothingYet, StudyError: as for `delete_study`, or the new name is taken or no name.
    """
    if not new_name.strip() or not new_name.isprintable():
        raise StudyError(f"{new_name!r} is no name for a study; write text on one line")
    with held(url, name, new_name) as storage:
        if is_taken(new_name, storage):
            raise StudyError(
                f"{redact(url)} already holds a study named {new_name}; choose another"
            )
        study_id = storage.get_study_id_from_name(name)
        spec = {**json.loads(read_stored_specs(storage)[name]), "name": new_name}
        value = json.dumps(json.dumps(spec, ensure_ascii=False))
        with storage.scoped_session() as session, session.begin():
            session.query(StudyModel).filter_by(study_id=study_id).update({"study_name": new_name})
            session.query(StudySystemAttributeModel).filter_by(study_id=study_id, key=SPEC).update(
                {"value_json": value}
            )


def artifacts_of(trials: Iterable[FrozenTrial], storage: RDBStorage) -> list[str]:
    """The artifacts of the trials; their epoch reports."""
    return [
        meta.artifact_id
        for trial in trials
        for meta in get_all_artifact_meta(trial, storage=storage)
    ]


def delete_files(url: str, artifacts: Iterable[str], is_gone: Callable[[str], bool]) -> None:
    """Delete artifacts and checkpoints, as far as they can be reached from this machine.

    Args:
        is_gone: called with the name of each checkpoint folder.
    """
    store, checkpoints = artifact_store(url), checkpoint_folder(url)
    for artifact in artifacts:
        store.remove(artifact)
    for folder in filter(is_gone, checkpoints.sizes()):
        checkpoints.child(folder).delete()


@contextmanager
def held(url: str, name: str, *more: str) -> Iterator[RDBStorage]:
    """The storage, while no other process uses the study; its locks are removed in the end."""
    check_exists(name, read_stored_specs(readable_storage(url)), url)
    with ExitStack() as held:
        for each in (name, *more):
            held.enter_context(study_lock(url, each))
        storage = held.enter_context(writable_storage(url))
        held.enter_context(_idle(storage, url, name))
        yield storage
        for each in (name, *more):
            lock_file(url, each).unlink(missing_ok=True)


@contextmanager
def _idle(storage: RDBStorage, url: str, name: str) -> Iterator[None]:
    """Let no process claim a trial of the study.

    Raises:
        StudyError: some process runs one.
    """
    study_id = storage.get_study_id_from_name(name)
    with study_transaction(storage, study_id) as transaction:
        if transaction.count_alive():
            stop = example("stop", "--study", name, *storage_option(url))
            raise StudyError(f"study {name} is being run; stop it first: {stop}")
        before = transaction.study_attr(STOPPED)
        transaction.set_study_attr(STOPPED, datetime.now().isoformat())
    try:
        yield
    finally:
        with suppress(StudyError), study_transaction(storage, study_id) as transaction:
            transaction.set_study_attr(STOPPED, before)
