"""A running study on the terminal: live where stderr is one, a line per trial elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .consoles import err

if TYPE_CHECKING:
    from ...search.running.events import EpochEnded, Event, StudyStarted, TrialEnded, TrialStarted

LOG_EVERY_S = 30  # with nothing else to print, a line for the latest epoch


@contextmanager
def study_view(*, quiet: bool = False) -> Iterator[StudyView]:
    """A listener that shows a study's events until the block is left."""
    live = None
    if not quiet and sys.stderr.isatty():
        live = Live(console=err, auto_refresh=False, transient=True)
    try:
        yield StudyView(live, quiet=quiet)
    finally:
        if live:
            live.stop()


class StudyView:
    """Shows events as a live view, or as lines without one.

    Attributes:
        study: the name of the study, once it has started.
    """

    def __init__(self, live: Live | None, *, quiet: bool = False) -> None:
        self._live = live
        self._quiet = quiet
        self.study: str | None = None
        self._rows: dict[int, Text | Table] = {}  # of the running trials, by number
        self._best = ""
        self._printed_at = monotonic()

    def __call__(self, event: Event) -> None:
        from ...search.running import events

        match event:
            case events.StudyStarted():
                self._show_study(event)
            case events.TrialStarted():
                self._show_trial(event)
            case events.EpochEnded():
                self._show_epoch(event)
            case events.TrialEnded():
                self._show_ending(event)
            case events.Notice(message):
                self._print(message)

    def _show_study(self, event: StudyStarted) -> None:
        if self._live:  # not earlier: a download shows its own progress bar
            self._live.start()
        spec = event.spec
        self.study = spec.name
        self._print(
            f"study {spec.name} on {spec.dataset}: {event.n_done} of {spec.trials} trials are done"
        )

    def _show_trial(self, event: TrialStarted) -> None:
        label = f" ({event.label})" if event.label else ""
        title = f"trial {event.number}{label}: {event.config.architecture}"
        if not self._live:
            self._print(title)
        self._draw(event.number, Text(f"{title}  preparing"))

    def _show_epoch(self, event: EpochEnded) -> None:
        report, metric, max_epochs = event.report, event.metric, event.config.max_epochs
        bar = ProgressBar(total=max_epochs, completed=report.epoch, width=20)
        value = f"{metric.name} {metric.format(metric.of(report))}"
        progress = f"{report.epoch}/{max_epochs}  {value}  {report.epoch_s:.1f} s/epoch"
        row = Table.grid(padding=(0, 2))
        title = f"trial {event.number}: {event.config.architecture}"
        row.add_row(title, bar, progress)
        self._draw(event.number, row)
        # In a log, a trial of many minutes would look dead.
        if not self._live and monotonic() - self._printed_at >= LOG_EVERY_S:
            self._print(f"{title}  epoch {progress}")

    def _show_ending(self, event: TrialEnded) -> None:
        record, metric = event.record, event.metric
        self._rows.pop(record["number"], None)
        if event.best:
            value = metric.format(event.best["value"])
            self._best = f"best so far: {value} (trial {event.best['number']})"
        value = f" {metric.format(record['value'])}" if record["value"] is not None else ""
        stop_reason = f"{record['stop_reason']}: " if record["stop_reason"] else ""
        self._print(
            f"trial {record['number']} {record['state']}{value}  {stop_reason}{record['reason']}"
        )

    def _print(self, line: str) -> None:
        self._printed_at = monotonic()
        if self._live:
            self._live.console.print(Text(line))
        elif not self._quiet:
            err.print(Text(line), soft_wrap=True)

    def _draw(self, number: int, row: Text | Table) -> None:
        self._rows[number] = row
        if self._live:
            rows = [self._rows[number] for number in sorted(self._rows)]
            self._live.update(Group(*rows, Text(self._best, "dim")), refresh=True)
