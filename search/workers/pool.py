"""Several worker processes on this machine, and one view of what they do."""

from __future__ import annotations

import pickle
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Thread

from ...base.interrupts import Interrupts
from ...errors import StudyError
from ..running.events import Event, Listener, TrialEnded, notifier
from .job import Ended, Job
from .threads import worker_device

MAX_DEATHS = 3  # of one worker in a row, with no trial that ended in between
POLL_S = 0.2


class Pool:
    """Runs a study with several worker processes; one that dies is replaced."""

    def __init__(
        self, job: Job, n_workers: int, listener: Listener, interrupts: Interrupts
    ) -> None:
        self._job = job
        self._listener = listener
        self._notify = notifier(listener)
        self._interrupts = interrupts
        self._messages: SimpleQueue[tuple[_Member, Event | Ended | None]] = SimpleQueue()
        self._members = [_Member(number) for number in range(n_workers)]
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
            while any(member.process for member in self._members):
                if sent is None and (sent := self._why_stop()):
                    self._send_to_all(sent)
                with suppress(Empty):
                    self._receive(*self._messages.get(timeout=POLL_S))
        except KeyboardInterrupt:  # a second signal
            self._send_to_all(self._interrupts.received or "SIGINT")
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

    def _start(self, member: _Member) -> None:
        job = replace(self._job, device=worker_device(self._job.device, member.number))
        member.start(job, self._messages.put)

    def _receive(self, member: _Member, message: Event | Ended | None) -> None:
        if message is None:
            self._handle_exit(member)
        elif isinstance(message, Ended):
            member.outcome = message
        else:
            if isinstance(message, TrialEnded):
                member.n_deaths = 0
            self._listener(message)

    def _handle_exit(self, member: _Member) -> None:
        """A worker has ended: as it should, or another takes its place."""
        code = member.wait()
        if member.outcome is not None:
            if member.outcome.reason:
                self._reasons.append(member.outcome.reason)
            self._error = self._error or member.outcome.error
            return
        if self._why_stop():
            return
        member.n_deaths += 1
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        what = f"worker {member.number} {how}"
        if member.n_deaths < MAX_DEATHS:
            self._notify(f"{what}; another takes its place")
            self._start(member)
        elif any(each.process for each in self._members):
            self._notify(f"{what}, {MAX_DEATHS} times in a row; the others go on without it")
        else:
            self._error = StudyError(
                f"{what}, {MAX_DEATHS} times in a row, and no other is left; see the messages "
                "above and the system's log (is there enough memory?), then run start again"
            )

    def _send_to_all(self, signal_name: str) -> None:
        for member in self._members:
            member.send(signal_name)


class _Member:
    """A worker of the pool: a process, or the one that has taken its place."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: subprocess.Popen[bytes] | None = None
        self.outcome: Ended | None = None
        self.n_deaths = 0

    def start(self, job: Job, put: Callable[[tuple[_Member, Event | Ended | None]], None]) -> None:
        """Start a process; its events, and None at its end, are put with this member."""
        self.outcome = None
        # In a session of its own: a Ctrl-C in the terminal reaches the parent alone.
        self.process = process = subprocess.Popen(
            [sys.executable, "-m", "recsys_search.search.workers.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin is not None and process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.write(b64encode(pickle.dumps(job)) + b"\n")
            process.stdin.flush()
        output = process.stdout

        def read() -> None:
            try:
                while True:
                    put((self, pickle.load(output)))
            except (EOFError, OSError, pickle.UnpicklingError, ValueError):
                pass  # it has ended, perhaps in the middle of an event
            finally:
                put((self, None))

        Thread(target=read, daemon=True).start()

    def send(self, signal_name: str) -> None:
        """Let the process receive a signal."""
        if self.process and self.process.stdin:
            with suppress(OSError, ValueError):
                self.process.stdin.write(f"{signal_name}\n".encode())
                self.process.stdin.flush()

    def wait(self) -> int:
        """The exit code of the process, which has closed its stdout."""
        assert self.process
        code = self.process.wait()
        self._close()
        return code

    def end(self) -> None:
        """Kill the process if it does not end by itself in a few seconds."""
        if self.process:
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self._close()

    def _close(self) -> None:
        if self.process:
            for stream in (self.process.stdin, self.process.stdout):
                with suppress(OSError):
                    if stream:
                        stream.close()
        self.process = None
