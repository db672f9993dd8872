"""A download that can be watched: who publishes the data, under which licence, and a bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from .download import Progress, download, find_downloaded, published_source


def download_with_progress(name: str, data_dir: Path) -> Path:
    """`download`, told on stderr: the licence, and a progress bar where that is a terminal.

    Raises:
        DataError: as `download` does.
    """
    source = published_source(name)
    if folder := find_downloaded(name, data_dir):
        return folder
    sys.stderr.write(f"downloading {source.url}\nlicence: {source.licence} ({source.readme})\n")
    with _progress_bar() as bar:
        return download(name, data_dir, progress=bar)


@contextmanager
def _progress_bar() -> Iterator[Progress | None]:
    if not sys.stderr.isatty():
        yield None
        return
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bar(bars)


class _Bar:
    """One bar of rich, as pooch wants to be shown."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task = bars.add_task("", total=None)

    @property
    def total(self) -> float:
        return self._bars.tasks[0].total or 0

    @total.setter
    def total(self, size: float) -> None:
        # A server that does not tell the size leaves a bar that only moves.
        self._bars.update(self._task, total=size or None)

    def update(self, n: int, /) -> None:
        self._bars.update(self._task, advance=n)

    def reset(self) -> None:
        self._bars.update(self._task, completed=0)

    def close(self) -> None:
        self._bars.stop()
