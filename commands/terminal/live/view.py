"""A study that this process runs: live where stderr is a terminal, a line per trial elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from ..consoles import err

if TYPE_CHECKING:
    from ....search.definition.study_file import StudySpec
    from ....search.running.events import EpochEnded, Event
    from ....search.running.study_state import StudyState

LOG_EVERY_S = 30  # with nothing else to print, a line for the latest epoch


@contextmanager
def study_view(*, quiet: bool = False) -> Iterator[StudyView]:
    """A listener that shows a study's events until the block is left.

    Of a study that is interrupted, the last frame stays on the screen.
    """
    live = None
    if not quiet and sys.stderr.isatty():
        live = Live(console=err, auto_refresh=False, transient=True)
    view = StudyView(live, quiet=quiet)
    try:
        yield view
    except BaseException:
        view.keep_last_frame()
        raise
    finally:
        if live:
            live.stop()


class StudyView:
    """Shows events as a live view, or as lines without one.

    Attributes:
        study: the name of the study, once it has started.
    """

    def __init__(self, live: Live | None, *, quiet: bool = False) -> None:
        from ....search.running.study_state import StudyState

        self._live = live
        self._quiet = quiet
        self._state: StudyState = StudyState()
        self._printed_at = monotonic()

    @property
    def study(self) -> str | None:
        return self._state.spec.name if self._state.spec else None

    def __call__(self, event: Event) -> None:
        from ....search.running import events

        self._state = self._state.after(event)
        match event:
            case events.StudyStarted():
                if self._live:  # not earlier: a download shows its own progress bar
                    self._live.start()
                self._print(describe_study(event.spec, event.n_done))
            case events.Notice(message):
                self._print(message)
            case _ if self._live:
                pass  # the frame shows it
            case events.TrialStarted():
                self._print(describe_start(event.number, event.config.architecture, event.label))
            case events.EpochEnded():
                # In a log, a trial of many minutes would look dead.
                if monotonic() - self._printed_at >= LOG_EVERY_S:
                    self._print(describe_epoch(event))
            case events.TrialEnded():
                self._print(describe_end(event.record))
        if self._live:
            show(self._state, self._live)

    def keep_last_frame(self) -> None:
        """Leave on the screen how far the study has come: no worker runs it any more."""
        if self._live:
            self._live.transient = False
            if self._live.is_started:
                show(replace(self._state, workers=0), self._live)

    def _print(self, line: str) -> None:
        self._printed_at = monotonic()
        if self._live:
            self._live.console.print(Text(line))
        elif not self._quiet:
            err.print(Text(line), soft_wrap=True)


def show(state: StudyState, live: Live) -> None:
    """Draw the state in place of the last one."""
    from .drawing import draw

    size = live.console.size
    live.update(Group(*draw(state, size.width, size.height)), refresh=True)


def describe_study(spec: StudySpec, n_done: int) -> str:
    return f"study {spec.name} on {spec.dataset}: {n_done} of {spec.trials} trials are done"


def describe_start(number: int, architecture: str, label: str | None) -> str:
    return f"trial {number}{f' ({label})' if label else ''}: {architecture}"


def describe_epoch(event: EpochEnded) -> str:
    report, metric, config = event.report, event.metric, event.config
    return (
        f"trial {event.number}: {config.architecture}  epoch {report.epoch}/{config.max_epochs}  "
        f"{metric.name} {metric.format(metric.of(report))}  {report.epoch_s:.1f} s/epoch"
    )


def describe_end(record: dict[str, Any]) -> str:
    from ..trials.quality import format_value

    value = f" {format_value(record)}" if record["value"] is not None else ""
    stop_reason = f"{record['stop_reason']}: " if record["stop_reason"] else ""
    return f"trial {record['number']} {record['state']}{value}  {stop_reason}{record['reason']}"
