"""Downloads with a progress bar, after showing the dataset's licence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn
from rich.progress import Progress as RichProgress

from .download import Progress, download, find_downloaded, published_source


def download_with_progress(name: str, data_dir: Path) -> Path:
    """`download`, showing the licence and, on a terminal, a progress bar on stderr.

    Raises:
        DataError: as for `download`.
    """
    source = published_source(name)
    if folder := find_downloaded(name, data_dir):
        return folder
    sys.stderr.write(f"downloading {source.url}\nlicence: {source.licence} ({source.readme})\n")
    with _progress_bar() as bar:
        return download(name, data_dir, progress=bar)


@contextmanager
def _progress_bar() -> Iterator[Progress | None]:
    """A progress bar, or None if stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bar(progress)


class _Bar:
    """Adapts a rich progress bar to the interface that pooch expects."""

    def __init__(self, progress: RichProgress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    @property
    def total(self) -> float:
        return self._progress.tasks[0].total or 0

    @total.setter
    def total(self, size: float) -> None:
        # Without a size from the server, the bar only shows activity.
        self._progress.update(self._task, total=size or None)

    def update(self, n: int, /) -> None:
        self._progress.update(self._task, advance=n)

    def reset(self) -> None:
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        self._progress.stop()
