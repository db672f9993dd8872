"""A running study as a person watches it: live on a terminal, one line a trial elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .consoles import err

if TYPE_CHECKING:
    from ...model.config import TrainingConfig
    from ...model.training.reports import EpochReport
    from ...search.definition.study_file import StudySpec


@contextmanager
def study_view(*, quiet: bool = False) -> Iterator[StudyView]:
    """Watches a study: live on a terminal, one line a trial elsewhere."""
    live = None
    if not quiet and sys.stderr.isatty():
        live = Live(console=err, auto_refresh=False, transient=True)
    try:
        yield StudyView(live, quiet=quiet)
    finally:
        if live:
            live.stop()


class StudyView:
    """A `search.watcher.Watcher` that shows what it is told of."""

    def __init__(self, live: Live | None, *, quiet: bool = False) -> None:
        self._live = live
        self._quiet = quiet
        self._head = ""
        self._best: dict[str, Any] | None = None

    def study_begins(self, spec: StudySpec, done: int) -> None:
        if self._live:  # not before: a download has a progress bar of its own
            self._live.start()
        self._say(f"study {spec.name} on {spec.dataset}: {done} of {spec.trials} trials are done")

    def trial_begins(self, number: int, config: TrainingConfig, label: str | None) -> None:
        named = f" ({label})" if label else ""
        self._head = f"trial {number}{named}: {config.architecture}"
        if not self._live:
            self._say(self._head)
        self._draw(Text(f"{self._head}  preparing"))

    def epoch_ends(self, number: int, config: TrainingConfig, report: EpochReport) -> None:
        bar = ProgressBar(total=config.max_epochs, completed=report.epoch, width=20)
        row = Table.grid(padding=(0, 2))
        figures = f"{report.epoch}/{config.max_epochs}  val_rmse {report.val_rmse:.4f}"
        row.add_row(self._head, bar, f"{figures}  {report.epoch_s:.1f} s/epoch")
        self._draw(row)

    def trial_ends(self, record: dict[str, Any], best: dict[str, Any] | None) -> None:
        self._best = best
        why = f"{record['stop_reason']}: " if record["stop_reason"] else ""
        value = f" {record['val_rmse']:.4f}" if record["val_rmse"] is not None else ""
        self._say(f"trial {record['number']} {record['state']}{value}  {why}{record['reason']}")

    def tell(self, sentence: str) -> None:
        self._say(sentence)

    def _say(self, line: str) -> None:
        if self._live:
            self._live.console.print(Text(line))
        elif not self._quiet:
            err.print(Text(line), soft_wrap=True)

    def _draw(self, what: Text | Table) -> None:
        if self._live:
            ahead = ""
            if self._best:
                ahead = f"best so far: {self._best['val_rmse']:.4f} (trial {self._best['number']})"
            self._live.update(Group(what, Text(ahead, "dim")), refresh=True)
