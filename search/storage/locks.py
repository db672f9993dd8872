"""Locks between processes: for what concerns a whole study, and for creating the tables.

Trials need none: a process claims them in a transaction of the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from ...errors import StorageError, StudyError
from .artifacts import artifact_folder
from .server_locks import server_lock

MAX_NAME = 100  # of the 255 bytes that file systems allow
TABLES = ".tables"


@contextmanager
def study_lock(url: str, study: str) -> Iterator[None]:
    """Hold the study for this process, which confirms, renames or deletes it.

    The operating system holds the lock and releases it when the process ends, even by `kill -9`. A
    database server holds another one, for processes on other machines or in other folders.

    Raises:
        StudyError: another process holds it.
        StorageError: the lock's file cannot be written, or the server cannot be reached.
    """
    try:
        with _lock(url, study, wait=False):
            yield
    except Timeout:
        raise StudyError(
            f"another process confirms, renames or deletes study {study}; wait for it, or stop it "
            "with Ctrl-C, and try again"
        ) from None


@contextmanager
def tables_lock(url: str) -> Iterator[None]:
    """Hold the storage for this process, which creates its tables; waits for another that does.

    Raises:
        StorageError: as for `study_lock`.
    """
    with _lock(url, TABLES, wait=True):
        yield


def lock_file(url: str, name: str) -> Path:
    """The lock of this name; a long name is cut, and made unique by its hash."""
    quoted = quote(name, safe="")
    if len(quoted) > MAX_NAME:
        quoted = f"{quoted[:MAX_NAME]}-{sha256(name.encode()).hexdigest()[:16]}"
    return artifact_folder(url) / f"{quoted}.lock"


@contextmanager
def _lock(url: str, name: str, *, wait: bool) -> Iterator[None]:
    """Hold a lock; if the block fails before it stored anything, remove the folder made for it.

    Raises:
        Timeout: another process holds it.
    """
    path = lock_file(url, name)
    is_new = not path.parent.exists()
    try:
        path.parent.mkdir(exist_ok=True)
        lock = FileLock(path)
        lock.acquire(blocking=wait)
    except Timeout:  # an OSError too
        raise
    except OSError as error:
        raise StorageError(
            f"{path.absolute()} cannot be written: {error.strerror or error}; ask its owner for "
            "write access, or name another storage with --storage"
        ) from None
    try:
        with server_lock(url, name, wait=wait) as is_ours:
            if not is_ours:
                raise Timeout(str(path))
            yield
    except BaseException:
        if is_new:
            _remove_if_unused(path)
        raise
    finally:
        lock.release()


def _remove_if_unused(path: Path) -> None:
    """Remove the lock and its folder, unless the folder holds anything else.

    Call it while holding the lock: FileLock notices if the file that it has locked is gone.
    """
    with suppress(OSError):
        if [each.name for each in path.parent.iterdir()] == [path.name]:
            path.unlink()
            path.parent.rmdir()
