"""Folders that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from time import time

# Whoever works in such a folder writes something far more often: one this still was left by a kill.
_ABANDONED_S = 600


@contextmanager
def work_folder(parent: Path, name: str) -> Iterator[Path]:
    """A new folder in `parent` that is gone afterwards, as are those that were abandoned."""
    parent.mkdir(parents=True, exist_ok=True)
    for earlier in parent.glob(".*.partial-*"):
        if time() - _last_written(earlier) > _ABANDONED_S:
            rmtree(earlier, ignore_errors=True)
    work = Path(mkdtemp(prefix=f".{name}.partial-", dir=parent))
    try:
        yield work
    finally:
        rmtree(work, ignore_errors=True)


def move_into_place(complete: Path, target: Path, *, whole: Callable[[], bool]) -> None:
    """Renames a complete folder; one that came from another process meanwhile may stay.

    Args:
        whole: whether what stands at `target` is complete.
    """
    try:
        complete.replace(target)
    except OSError:
        if not whole():
            raise


def _last_written(folder: Path) -> float:
    """The newest time in a folder that another process may be removing; now where it did."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    except OSError:
        return time()
