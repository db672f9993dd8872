"""Ctrl-C and SIGTERM, handled at a point where nothing is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

NOTICES: dict[int, str] = {
    signal.SIGINT: "Ctrl-C: stopping after this batch; press it again to stop at once",
    signal.SIGTERM: "SIGTERM: stopping after this batch; send it again to stop at once",
}


class Interrupts:
    """Records the first signal, for the caller to check; the second one raises.

    Attributes:
        received: the first signal's name, or None.
    """

    def __init__(self, notify: Callable[[str], None]) -> None:
        """Args: notify: called with a message at the first signal."""
        self.received: str | None = None
        self._notify = notify

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch signals within the block; a second one leaves the block at once."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread can set handlers
            return
        before = {number: signal.signal(number, self._handle) for number in NOTICES}
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
            SystemExit: 143, after SIGTERM.
        """
        if self.received == "SIGINT":
            raise KeyboardInterrupt
        if self.received == "SIGTERM":
            raise SystemExit(143)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.received:
            raise KeyboardInterrupt
        self.received = signal.Signals(number).name
        self._notify(NOTICES[number])
