"""Signals that ask a process to end, handled at a point where nothing is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from types import FrameType

# SIGUSR1 is what a cluster sends some time before it ends a job, SIGHUP a terminal that closes.
# Windows has neither.
NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")
NUMBERS = {name: int(getattr(signal, name)) for name in NAMES if hasattr(signal, name)}
EXIT_CODES = {name: 128 + number for name, number in NUMBERS.items()}


SHORTEST_S = 0.2  # of a pause, so that a signal is noticed soon

# Schedulers send a signal to a job and to its processes, who then receive it twice.
SAME_SIGNAL_S = 2.0


class Interrupts:
    """Records the first signal, for the caller to check; the second one raises.

    Attributes:
        received: the first signal's name, or None.
    """

    def __init__(self, notify: Callable[[str], None]) -> None:
        """Args: notify: called with a message at the first signal."""
        self.received: str | None = None
        self._received_at = 0.0
        self._notify = notify

    @property
    def cause(self) -> str | None:
        """The first signal as people call it, or None."""
        return "Ctrl-C" if self.received == "SIGINT" else self.received

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch signals within the block; a second one leaves the block at once."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread can set handlers
            return
        before = {number: signal.signal(number, self._handle) for number in _to_catch()}
        try:
            yield
        except KeyboardInterrupt:  # a second signal's, or a debugger's
            self.received = self.received or "SIGINT"
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def leave(self) -> None:
        """End the process as its signal demands, if there was one.

        Raises:
            KeyboardInterrupt: after SIGINT.
            SystemExit: after any other; its code is in `EXIT_CODES`.
        """
        if self.received == "SIGINT":
            raise KeyboardInterrupt
        if self.received:
            raise SystemExit(EXIT_CODES[self.received])

    def _handle(self, number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.received:
            is_repeated = monotonic() - self._received_at < SAME_SIGNAL_S
            if name == self.received != "SIGINT" and is_repeated:
                return
            raise KeyboardInterrupt
        self.received, self._received_at = name, monotonic()
        again = "press it again" if self.cause == "Ctrl-C" else "send it again"
        self._notify(f"{self.cause}: stopping after this batch; {again} to stop at once")


def _to_catch() -> list[int]:
    """Numbers of the signals; not of SIGHUP where `nohup` has the process ignore it."""
    return [
        number
        for name, number in NUMBERS.items()
        if name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN
    ]


def pause(seconds: float, should_end: Callable[[], object]) -> None:
    """Sleep in short pieces, until `should_end` returns a true value."""
    until = monotonic() + seconds
    while not should_end() and (left := until - monotonic()) > 0:
        sleep(min(left, SHORTEST_S))
