"""Where the trials' epoch reports, as Optuna artifacts, and their checkpoints are kept.

It is a folder next to the database, or the folder or URL of `--artifacts`, which the machines of a
study can share.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from optuna.artifacts import download_artifact, get_all_artifact_meta, upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial

from ...base.folders import Folder, LocalFolder, open_folder
from ...base.messages import format_error
from ...errors import StorageError
from ...model.training.reports import EpochReport, read_reports, write_reports
from .examples import ARTIFACTS_VARIABLE
from .urls import sqlite_file

REPORTS_FILE = "reports.jsonl"


class ArtifactStore:
    """An artifact store of Optuna's in any folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def open_reader(self, artifact_id: str) -> BinaryIO:
        try:
            return BytesIO(self._folder.read(artifact_id))
        except FileNotFoundError:
            raise ArtifactNotFound(f"no artifact {artifact_id}") from None

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        self._folder.write(artifact_id, content_body.read())

    def remove(self, artifact_id: str) -> None:
        self._folder.remove(artifact_id)

    def tidy(self, notify: Callable[[str], None]) -> None:
        """Remove what uploads have left that were cut off.

        Args:
            notify: called with a message if the folder cannot be read; the next call tries again.
        """
        try:
            self._folder.remove_abandoned()
        except OSError as error:
            notify(f"epoch reports cannot be tidied up: {format_error(error)}")


def artifact_folder(url: str) -> Path:
    """`studies.artifacts` next to `studies.db`, or in the working folder for a database server.

    Locks are always here; artifacts are elsewhere with `--artifacts`.
    """
    path = sqlite_file(url)
    if path is None:
        return Path("studies.artifacts")
    # A link to the database leads to the same folder, and so to the same locks.
    return (path.resolve() if path.is_symlink() else path).with_suffix(".artifacts")


def open_artifacts(url: str) -> Folder:
    """The folder of the artifacts and checkpoints of a storage's studies.

    Raises:
        StorageError: `--artifacts` is a URL of an unknown kind, or its driver is not installed.
    """
    place = os.environ.get(ARTIFACTS_VARIABLE)
    return open_folder(place) if place else LocalFolder(artifact_folder(url))


def checkpoint_folder(url: str) -> Folder:
    """The folder, with the artifacts, of the trials' checkpoints."""
    return open_artifacts(url).child("checkpoints")


def artifact_store(url: str, *, make: bool = False) -> ArtifactStore:
    """The store of the trials' epoch reports.

    Args:
        make: create the folder if it is missing; for processes that write reports.
    """
    folder = open_artifacts(url)
    if make and isinstance(folder, LocalFolder):
        folder.path.mkdir(exist_ok=True)
    return ArtifactStore(folder)


def upload_reports(store: ArtifactStore, trial: Trial, reports: list[EpochReport]) -> None:
    """Attach the epoch reports to the trial.

    Raises:
        OSError: they cannot be written, for example because the disk is full.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, REPORTS_FILE)
        write_reports(path, reports)
        upload_artifact(artifact_store=store, file_path=str(path), study_or_trial=trial)


def download_reports(
    store: ArtifactStore, trial: FrozenTrial, storage: BaseStorage
) -> list[EpochReport]:
    """The trial's epoch reports; empty while it runs, or if the artifact is elsewhere."""
    for meta in get_all_artifact_meta(trial, storage=storage):
        if meta.filename != REPORTS_FILE:
            continue
        with TemporaryDirectory() as folder:
            path = Path(folder, REPORTS_FILE)
            try:
                download_artifact(
                    artifact_store=store, artifact_id=meta.artifact_id, file_path=str(path)
                )
            except ArtifactNotFound:
                return []
            except OSError as error:
                raise StorageError(f"epoch reports cannot be read: {format_error(error)}") from None
            return read_reports(path)
    return []
