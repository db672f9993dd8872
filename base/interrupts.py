"""Ctrl-C and SIGTERM, heeded where nothing is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """The first signal is noted, for whoever looks at the end of an epoch; the second raises.

    Attributes:
        received: the first signal's name, or None.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        """Args: tell: given a sentence when the first signal comes."""
        self.received: str | None = None
        self._tell = tell

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catches signals within the block; a second one leaves it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may set handlers
            return
        before = {
            number: signal.signal(number, self._handle)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        except KeyboardInterrupt:  # a second signal's, or a debugger's
            self.received = self.received or "SIGINT"
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def leave(self) -> None:
        """Ends the process the way its signal asked for, if there was one.

        Raises:
            KeyboardInterrupt: it was SIGINT.
            SystemExit: 143, it was SIGTERM.
        """
        if self.received == "SIGINT":
            raise KeyboardInterrupt
        if self.received == "SIGTERM":
            raise SystemExit(143)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.received:
            raise KeyboardInterrupt
        self.received = signal.Signals(number).name
        self._tell(f"{self.received}: ending after this epoch; once more to leave at once")
