"""Notifies people of a study: its start, new bests, trouble, and its end with the verdict."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from ..definition.study_file import StudySpec
from ..notifications.delivery import Delivery, Kind, Message
from ..notifications.endpoints import Endpoint
from ..results.reader import StudyReader
from ..results.sentences import describe_study, describe_trial, next_commands
from ..running.events import Event, Listener, StudyEnded, StudyStarted, TrialEnded, Trouble
from ..running.study_progress import ENDED
from .deferred import DeferredNotices

INTERVAL_S = 600.0  # between two new bests, and between two troubles of one kind


class Notifications:
    """A listener that sends messages to people."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        study: str,
        storage_url: str,
        listener: Listener,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Args: listener: receives a notice if an endpoint fails."""
        self._study = study
        self._storage_url = storage_url
        self._notices = DeferredNotices(listener)
        self._delivery = Delivery(endpoints, self._notices.add)
        self._clock = clock
        self._best_at: float | None = None
        self._held_back: Message | None = None  # the newest best within the interval
        self._trouble_at: dict[str, float] = {}
        self._in_trouble: set[str] = set()

    def __call__(self, event: Event) -> None:
        self._notices.show()
        match event:
            case StudyStarted(spec, n_done):
                self._send(_started(spec, n_done))
            case TrialEnded(record, best) if best and best["number"] == record["number"]:
                # An older best, as of a study that goes on, is no news.
                self._held_back = _new_best(self._study, event)
            case Trouble():
                self._report(event)
            case StudyEnded():
                self._held_back = None  # the verdict has it
                self._send(self._ended(event))
        self._send_best_if_due()

    def close(self) -> None:
        """Send what is held back, and wait a few seconds at most for the last messages."""
        if self._held_back:
            self._send(self._held_back)
        self._delivery.close()
        self._notices.show()

    def _send_best_if_due(self) -> None:
        now = self._clock()
        is_due = self._best_at is None or now - self._best_at >= INTERVAL_S
        if self._held_back and is_due:
            self._send(self._held_back)
            self._held_back, self._best_at = None, now

    def _report(self, trouble: Trouble) -> None:
        """Send trouble and its end, each kind once in a while: several workers may report it."""
        kind, now = trouble.kind, self._clock()
        if trouble.is_over:
            if kind in self._in_trouble:
                self._in_trouble.remove(kind)
                self._send(self._message("works again", trouble.message, "info"))
            return
        if now - self._trouble_at.get(kind, -INTERVAL_S) >= INTERVAL_S:
            self._trouble_at[kind] = now
            self._in_trouble.add(kind)
            self._send(self._message("trouble", trouble.message, "warning"))

    def _ended(self, event: StudyEnded) -> Message:
        """The study's verdict, or as much of it as can be read."""
        lines = [event.reason] if event.reason else []
        state = "ended"
        with suppress(Exception):  # a storage that cannot be read must not lose the message
            reader = StudyReader(self._storage_url, self._study)
            status = reader.progress()
            state = status["state"]
            lines.append(_describe_count(status))
            lines += describe_study(status, reader.trials())
            lines += ["", "next:", *next_commands(status, self._storage_url)]
        if event.failed:
            return self._message("failed", "\n".join(lines), "failure")
        if state == "running":
            state = "continues without this process"
        kind: Kind = "success" if state in ENDED else "info"
        return self._message(state, "\n".join(lines), kind)

    def _message(self, what: str, body: str, kind: Kind) -> Message:
        return Message(f"{self._study}: {what}", f"{body}\n({socket.gethostname()})", kind)

    def _send(self, message: Message) -> None:
        self._delivery.send(message)


def _started(spec: StudySpec, n_done: int) -> Message:
    verb = "continues" if n_done else "started"
    lines = [f"on {spec.dataset}: {n_done} of {spec.trials} trials are done"]
    if target := spec.objective.target:
        lines.append(f"target: {target.condition}")
    return Message(f"{spec.name}: {verb}", "\n".join([*lines, f"({socket.gethostname()})"]))


def _new_best(study: str, event: TrialEnded) -> Message:
    record = event.record
    bias_val_rmse = event.progress.bias_val_rmse if event.progress else None
    figures = describe_trial(record, event.metric, bias_val_rmse)
    body = f"{figures}\n{record['architecture']}: {record['reason']}"
    return Message(f"{study}: trial {record['number']} is the new best", body, "success")


def _describe_count(status: dict[str, Any]) -> str:
    counts = (f"{status[state]} {state}" for state in ("complete", "pruned", "failed"))
    return f"{status['done']} of {status['total']} trials are done ({', '.join(counts)})"
