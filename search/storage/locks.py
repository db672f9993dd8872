"""One process runs a study at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from ...errors import StudyError
from .artifacts import artifact_folder, artifact_store


@contextmanager
def sole_runner(url: str, study: str) -> Iterator[None]:
    """Holds the study for this process: two that start trials at once would overshoot its total.

    The lock is the kernel's, so that it ends with the process, however that ends.

    Raises:
        StudyError: another process of this machine holds it.
    """
    artifact_store(url, make=True)
    with (artifact_folder(url) / f"{quote(study, safe='')}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StudyError(
                f"study {study} is being run by another process; wait for it, or stop it with "
                "Ctrl-C, and start again"
            ) from None
        yield
