"""The folder beside the database: the trials' epoch reports."""

from __future__ import annotations

from pathlib import Path

from optuna.artifacts import FileSystemArtifactStore

from .urls import check_folder, database_file


def artifact_store(url: str, *, make: bool = False) -> FileSystemArtifactStore:
    """The folder for the trials' epoch reports.

    Args:
        make: make the folder where there is none, for whoever writes reports.
    """
    folder = artifact_folder(url)
    if make:
        check_folder(url)
        folder.mkdir(exist_ok=True)
    return FileSystemArtifactStore(folder)


def artifact_folder(url: str) -> Path:
    """`studies.artifacts` beside `studies.db`; for a database server, in the working folder."""
    path = database_file(url)
    return Path("studies.artifacts") if path is None else path.with_suffix(".artifacts")
