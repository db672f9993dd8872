"""The folder next to the database that holds the trials' epoch reports, as Optuna artifacts."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from optuna.artifacts import (
    FileSystemArtifactStore,
    download_artifact,
    get_all_artifact_meta,
    upload_artifact,
)
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial

from ...model.training.reports import EpochReport, read_reports, write_reports
from .urls import sqlite_file

REPORTS_FILE = "reports.jsonl"


def artifact_folder(url: str) -> Path:
    """`studies.artifacts` next to `studies.db`, or in the working folder for a database server."""
    path = sqlite_file(url)
    if path is None:
        return Path("studies.artifacts")
    # A link to the database leads to the same folder, and so to the same locks.
    return (path.resolve() if path.is_symlink() else path).with_suffix(".artifacts")


def checkpoint_folder(url: str) -> Path:
    """The folder, next to the artifacts, of the checkpoints of trials that have not ended."""
    return artifact_folder(url) / "checkpoints"


def artifact_store(url: str, *, make: bool = False) -> FileSystemArtifactStore:
    """The store of the trials' epoch reports.

    Args:
        make: create the folder if it is missing; for processes that write reports.
    """
    folder = artifact_folder(url)
    if make:
        folder.mkdir(exist_ok=True)
    return FileSystemArtifactStore(folder)


def upload_reports(
    store: FileSystemArtifactStore, trial: Trial, reports: list[EpochReport]
) -> None:
    """Attach the epoch reports to the trial.

    Raises:
        OSError: they cannot be written, for example because the disk is full.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, REPORTS_FILE)
        write_reports(path, reports)
        upload_artifact(artifact_store=store, file_path=str(path), study_or_trial=trial)


def download_reports(
    store: FileSystemArtifactStore, trial: FrozenTrial, storage: BaseStorage
) -> list[EpochReport]:
    """The trial's epoch reports; empty while it runs, or if the artifact is on another machine."""
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
            return read_reports(path)
    return []
