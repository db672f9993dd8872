"""A lock that lets only one process at a time run a study."""

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


@contextmanager
def sole_runner(url: str, study: str) -> Iterator[None]:
    """Hold the study for this process: two that start trials at once would overshoot its total.

    The operating system holds the lock and releases it when the process ends, even by `kill -9`. A
    database server holds another one, for processes on other machines or in other folders. If the
    block fails before it has stored anything, the folder made for the lock is removed.

    Raises:
        StudyError: another process holds it.
        StorageError: the lock's file cannot be written, or the server cannot be reached.
    """
    path = lock_file(url, study)
    is_new = not path.parent.exists()
    try:
        path.parent.mkdir(exist_ok=True)
        lock = FileLock(path)
        lock.acquire(blocking=False)
    except Timeout:
        raise StudyError(
            f"study {study} is being run by another process; wait for it, or stop it with "
            "Ctrl-C, and start again"
        ) from None
    except OSError as error:
        raise StorageError(
            f"{path.absolute()} cannot be written: {error.strerror or error}; ask its owner for "
            "write access, or name another storage with --storage"
        ) from None
    try:
        with server_lock(url, study):
            yield
    except BaseException:
        if is_new:
            _remove_if_unused(path)
        raise
    finally:
        lock.release()


def lock_file(url: str, study: str) -> Path:
    """The study's lock; a long name is cut, and made unique by its hash."""
    name = quote(study, safe="")
    if len(name) > MAX_NAME:
        name = f"{name[:MAX_NAME]}-{sha256(study.encode()).hexdigest()[:16]}"
    return artifact_folder(url) / f"{name}.lock"


def _remove_if_unused(path: Path) -> None:
    """Remove the lock and its folder, unless the folder holds anything else.

    Call it while holding the lock: FileLock notices if the file that it has locked is gone.
    """
    with suppress(OSError):
        if [each.name for each in path.parent.iterdir()] == [path.name]:
            path.unlink()
            path.parent.rmdir()
