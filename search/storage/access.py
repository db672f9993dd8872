"""Whether this process can write a storage, before anything is created there."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from ...base.files import check_writable, is_folder
from ...base.folders import Folder, LocalFolder
from ...errors import OutputError, StorageError
from .artifacts import artifact_folder, open_artifacts
from .urls import sqlite_file, sqlite_url


def check_can_write(url: str) -> None:
    """Refuse a storage whose files cannot be written; a database server is not contacted.

    Raises:
        StorageError: SQLite's file or its folder is missing, or is not writable.
        OutputError: a folder, or the URL of `--artifacts`, is not writable.
    """
    if (path := sqlite_file(url)) is not None:
        if file_exists(path) and not os.access(path, os.W_OK):
            raise StorageError(
                f"{path.absolute()} is not writable; ask its owner, or name another with --storage"
            )
        check_writable(path.absolute().parent)  # SQLite puts its log next to the file
    _check_folder(artifact_folder(url))
    _check_artifacts(open_artifacts(url))


def _check_folder(path: Path) -> None:
    """Refuse a folder that cannot be written, or created in its parent."""
    path = path.absolute()
    check_writable(path if os.path.lexists(path) else path.parent)


def _check_artifacts(folder: Folder) -> None:
    """The same at a URL, with a file that is removed again."""
    if isinstance(folder, LocalFolder):
        _check_folder(folder.path)
        return
    name = f".probe-{uuid4().hex}"
    try:
        folder.write(name, b"")
        folder.remove(name)
    except OSError as error:
        raise OutputError(
            f"--artifacts cannot be written: {error.strerror or error}; check the address and your "
            "access to it"
        ) from None


def file_exists(path: Path) -> bool:
    """Whether SQLite's file exists.

    Raises:
        StorageError: its folder does not exist or cannot be read, or the path is not a file.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if is_folder(path.parent):
            return False
        raise StorageError(
            f"storage {sqlite_url(path)}: folder {path.parent} does not exist; create it first"
        ) from None
    except OSError as error:
        raise StorageError(
            f"{path.absolute()} cannot be read: {error.strerror or error}; ask its owner for "
            "access, or name another with --storage"
        ) from None
    if not path.is_file():
        raise StorageError(f"{path.absolute()} is not a file; name another with --storage")
    return True
