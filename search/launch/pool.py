"""Several workers of one study, and one view of what they do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from ...base.interrupts import Interrupts
from ...errors import StudyError
from ..running.events import Event, Listener, TrialEnded, notifier
from ..workers.job import Ended

MAX_DEATHS = 3  # of one worker in a row, with no trial that ended in between
POLL_S = 0.2


class Member(ABC):
    """A place in a pool: a worker, or the one that has taken its place.

    Attributes:
        is_running: a worker has been started, and its end has not been received.
        outcome: why it ended, in its own words.
        n_deaths: in a row, with no trial that ended in between.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_running = False
        self.outcome: Ended | None = None
        self.n_deaths = 0

    @abstractmethod
    def start(self, put: Put) -> None:
        """Start a worker; `put` receives its events, its outcome, and at last None."""

    @abstractmethod
    def interrupt(self, signal_name: str) -> None:
        """Let the worker act as on this signal."""

    @abstractmethod
    def dismiss(self) -> None:
        """The study is over: a worker that still waits for a machine need not begin."""

    @abstractmethod
    def wait(self) -> str:
        """Wait for the end of a worker that has sent None; returns how it ended."""

    @abstractmethod
    def end(self) -> None:
        """Kill the worker if it does not end by itself in a few seconds."""


Put = Callable[[Event | Ended | None], None]


class Pool:
    """Runs a study with several workers; one that dies is replaced."""

    def __init__(
        self, members: Sequence[Member], listener: Listener, interrupts: Interrupts
    ) -> None:
        self._members = members
        self._listener = listener
        self._notify = notifier(listener)
        self._interrupts = interrupts
        self._messages: SimpleQueue[tuple[Member, Event | Ended | None]] = SimpleQueue()
        self._reasons: list[str] = []
        self._error: Exception | None = None

    def run(self) -> str | None:
        """Run until all workers have ended.

        Returns:
            Why the study ends before its total; None if it has reached it.

        Raises:
            RecsysSearchError: what ended a worker; the others then end too.
            KeyboardInterrupt: after a second signal.
        """
        try:
            for member in self._members:
                self._start(member)
            sent = None
            while any(member.is_running for member in self._members):
                if sent is None and (sent := self._why_stop()):
                    self._interrupt_all(sent)
                with suppress(Empty):
                    self._receive(*self._messages.get(timeout=POLL_S))
        except KeyboardInterrupt:  # a second signal
            self._interrupt_all(self._interrupts.received or "SIGINT")
            raise
        finally:
            for member in self._members:
                member.end()
        if self._error:
            raise self._error
        return next(iter(self._reasons), None)

    def _why_stop(self) -> str | None:
        """The signal that the workers are to receive, if any."""
        return self._interrupts.received or ("SIGTERM" if self._error else None)

    def _start(self, member: Member) -> None:
        member.outcome, member.is_running = None, True
        member.start(lambda message: self._messages.put((member, message)))

    def _receive(self, member: Member, message: Event | Ended | None) -> None:
        if message is None:
            self._handle_exit(member)
        elif isinstance(message, Ended):
            member.outcome = message
            for each in self._members:
                each.dismiss()
        else:
            if isinstance(message, TrialEnded):
                member.n_deaths = 0
            self._listener(message)

    def _handle_exit(self, member: Member) -> None:
        """A worker has ended: as it should, or another takes its place."""
        how = member.wait()
        member.is_running = False
        if member.outcome is not None:
            if member.outcome.reason:
                self._reasons.append(member.outcome.reason)
            self._error = self._error or member.outcome.error
            return
        if self._why_stop() or any(each.outcome for each in self._members):
            return  # a worker leaves when the study is over
        member.n_deaths += 1
        what = f"worker {member.number} {how}"
        if member.n_deaths < MAX_DEATHS:
            self._notify(f"{what}; another takes its place")
            self._start(member)
        elif any(each.is_running for each in self._members):
            self._notify(f"{what}, {MAX_DEATHS} times in a row; the others go on without it")
        else:
            self._error = StudyError(
                f"{what}, {MAX_DEATHS} times in a row, and no other is left; see the messages "
                "above and the system's log (is there enough memory?), then run start again"
            )

    def _interrupt_all(self, signal_name: str) -> None:
        for member in self._members:
            if member.is_running:
                member.interrupt(signal_name)
