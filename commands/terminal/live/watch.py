"""A study that runs elsewhere, as its storage shows it: live on a terminal, else a line a trial."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.text import Text

from ..consoles import err
from .drawing import study_figures
from .view import LOG_EVERY_S, describe_end, describe_start, describe_study, show

if TYPE_CHECKING:
    from ....search.results.reader import StudyReader
    from ....search.running.study_state import StudyState

POLL_S = 2.0
MAX_SHARE = 0.1  # of the time that is spent on reading, however many trials the study has


def watch(reader: StudyReader) -> None:
    """Show a study until it has ended: done, finished by itself, stopped, or at its target.

    A study that is merely paused may be continued by another process, so watching goes on.
    """
    with _shown() as show_next:
        before = 0
        while True:
            began = monotonic()
            state = reader.state()
            # Between two trials, a worker has none for a moment.
            show_next(replace(state, workers=max(state.workers, before)))
            if not state.workers and is_over(reader.progress()):
                return
            before = state.workers
            sleep(max(POLL_S, (monotonic() - began) * (1 / MAX_SHARE - 1)))


def is_over(status: dict[str, Any]) -> bool:
    """Whether no trial of a study is to be expected.

    Args:
        status: as `status --json` prints it.
    """
    from ....search.running.study_progress import has_ended

    return has_ended(status) or status["state"] == "stopped"


@contextmanager
def _shown() -> Iterator[Callable[[StudyState], None]]:
    """A function that shows the next state."""
    if not sys.stderr.isatty():
        yield StateLog()
        return
    with Live(console=err, auto_refresh=False, transient=True) as live:
        yield lambda state: show(state, live)


class StateLog:
    """Prints what is new in each state, as `start` does without a terminal."""

    def __init__(self) -> None:
        self._before: StudyState | None = None
        self._printed_at = monotonic()

    def __call__(self, state: StudyState) -> None:
        assert state.spec and state.progress
        if self._before is None:
            self._print(describe_study(state.spec, state.progress.done))
        before = self._before or replace(state, running={})
        for line in _news(before, state):
            self._print(line)
        self._before = state
        if monotonic() - self._printed_at >= LOG_EVERY_S:
            self._print(", ".join(study_figures(state)))

    def _print(self, line: str) -> None:
        self._printed_at = monotonic()
        err.print(Text(line), soft_wrap=True)


def _news(before: StudyState, now: StudyState) -> Iterator[str]:
    """A line for each trial that has started, and for each one that has ended."""
    known = {*before.running, *(record["number"] for record in before.ended)}
    ended = [record for record in now.ended if record not in before.ended]
    for number, trial in sorted(now.running.items()):
        if number not in known:
            yield describe_start(number, trial.architecture, trial.label)
    yield from map(describe_end, ended)
