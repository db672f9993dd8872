"""Folders that appear complete or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from time import time

# A live process writes to its temporary folder far more often than this, so one without changes
# for that long was left behind by a killed process.
_ABANDONED_AFTER_S = 600


@contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """A new folder in `parent`, removed on exit; abandoned ones are removed too."""
    parent.mkdir(parents=True, exist_ok=True)
    for earlier in parent.glob(".*.partial-*"):
        if time() - _last_written(earlier) > _ABANDONED_AFTER_S:
            rmtree(earlier, ignore_errors=True)
    folder = Path(mkdtemp(prefix=f".{name}.partial-", dir=parent))
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)


def move_into_place(complete: Path, target: Path, *, is_complete: Callable[[], bool]) -> None:
    """Rename a complete folder to `target`, unless another process has put a complete one there.

    Args:
        is_complete: whether an existing `target` is complete.
    """
    try:
        complete.replace(target)
    except OSError:
        if not is_complete():
            raise


def _last_written(folder: Path) -> float:
    """Newest modification time in a folder; the current time if the folder vanishes meanwhile."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    except OSError:
        return time()
