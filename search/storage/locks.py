"""A lock that lets only one process at a time run a study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from filelock import FileLock, Timeout

from ...errors import StudyError
from .artifacts import artifact_folder, artifact_store


@contextmanager
def sole_runner(url: str, study: str) -> Iterator[None]:
    """Hold the study for this process: two that start trials at once would overshoot its total.

    The operating system holds the lock and releases it when the process ends, even by `kill -9`.

    Raises:
        StudyError: another process on this machine holds it.
    """
    artifact_store(url, make=True)
    lock = FileLock(artifact_folder(url) / f"{quote(study, safe='')}.lock")
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        raise StudyError(
            f"study {study} is being run by another process; wait for it, or stop it with "
            "Ctrl-C, and start again"
        ) from None
    with held:
        yield
