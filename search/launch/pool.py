"""Several workers of one study, and one view of what they do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from ...base.interrupts import Interrupts
from ...errors import StudyError
from ..running.events import Event, Listener, TrialEnded, alarm
from ..workers.job import Ended

MAX_DEATHS = 3  # of one worker in a row, with no trial that ended in between
POLL_S = 0.2
END_S = 5.0  # for a worker that has been asked to end


class Member(ABC):
    """A worker of a pool, and after its death the worker that replaces it.

    Attributes:
        is_running: a worker has been started, and its end has not been received.
        outcome: what the worker has reported at its end; None if it died, or still runs.
        n_deaths: in a row, with no trial that ended in between.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_running = False
        self.outcome: Ended | None = None
        self.n_deaths = 0

    @abstractmethod
    def start(self, put: Put) -> None:
        """Start a worker.

        Args:
            put: called, from any thread, with its events, its outcome if it ends by itself, and
                at last None.
        """

    @abstractmethod
    def interrupt(self, signal_name: str) -> None:
        """Let the worker act as on this signal; the second one ends it at once."""

    @abstractmethod
    def cancel_if_waiting(self) -> None:
        """End the worker if it still waits for a machine that has room for it."""

    @abstractmethod
    def wait(self) -> str:
        """Wait for the end of a worker that has sent None; returns how it ended, as a predicate."""

    @abstractmethod
    def end(self) -> None:
        """Kill the worker if it does not end by itself in a few seconds."""


Put = Callable[[Event | Ended | None], None]


class Pool:
    """Runs a study with several workers; one that dies is replaced."""

    def __init__(
        self,
        members: Sequence[Member],
        listener: Listener,
        interrupts: Interrupts,
        should_stop: Callable[[], str | None],
    ) -> None:
        """Args: should_stop: as for the workers: the reason to end, such as a timeout, or None."""
        self._members = members
        self._should_stop = should_stop
        self._listener = listener
        self._alarm = alarm(listener, "worker")
        self._interrupts = interrupts
        self._messages: SimpleQueue[tuple[Member, Event | Ended | None]] = SimpleQueue()
        self._reasons: list[str] = []
        self._error: Exception | None = None
        self._is_closing = False  # no worker is started any more
        self._is_interrupted = False

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
            while any(member.is_running for member in self._members):
                self._stop_if_due()
                with suppress(Empty):
                    self._receive(*self._messages.get(timeout=POLL_S))
        except BaseException:  # a second signal, or a worker that cannot be started
            self._interrupt_all(self._interrupts.received or "SIGTERM")
            raise
        finally:
            for member in self._members:
                member.end()
        if self._error:
            raise self._error
        return next(iter(self._reasons), None)

    def _stop_if_due(self) -> None:
        """Interrupt the workers, once, after a signal or an error; start none after the timeout."""
        signal_name = self._interrupts.received or ("SIGTERM" if self._error else None)
        if signal_name and not self._is_interrupted:
            self._is_interrupted = True
            self._interrupt_all(signal_name)
        elif not self._is_closing and (reason := self._should_stop()):
            # Those that have begun see it themselves; those that wait for room never would.
            self._reasons.append(reason)
            self._cancel_waiting()

    def _start(self, member: Member) -> None:
        member.outcome, member.is_running = None, True
        member.start(lambda message: self._messages.put((member, message)))

    def _receive(self, member: Member, message: Event | Ended | None) -> None:
        if message is None:
            self._handle_exit(member)
        elif isinstance(message, Ended):
            member.outcome = message
            self._cancel_waiting()  # a worker ends when the study does
        else:
            if isinstance(message, TrialEnded):
                member.n_deaths = 0
            self._listener(message)

    def _handle_exit(self, member: Member) -> None:
        """Take note of a worker's outcome, or replace it if it died."""
        how = member.wait()
        member.is_running = False
        if member.outcome is not None:
            if member.outcome.reason:
                self._reasons.append(member.outcome.reason)
            self._error = self._error or member.outcome.error
            return
        self._stop_if_due()  # a signal may have ended the worker too
        if self._is_closing:
            return
        member.n_deaths += 1
        what = f"worker {member.number} {how}"
        if member.n_deaths < MAX_DEATHS:
            self._alarm(f"{what}; another takes its place")
            self._start(member)
        elif any(each.is_running for each in self._members):
            self._alarm(f"{what}, {MAX_DEATHS} times in a row; the others go on without it")
        else:
            self._error = StudyError(
                f"{what}, {MAX_DEATHS} times in a row, and no other is left; see the messages "
                "above and the system's log (is there enough memory?), then run start again"
            )

    def _cancel_waiting(self) -> None:
        self._is_closing = True
        for member in self._members:
            member.cancel_if_waiting()

    def _interrupt_all(self, signal_name: str) -> None:
        self._is_closing = True
        for member in self._members:
            if member.is_running:
                member.interrupt(signal_name)
