"""Notices from threads, shown to the user by the thread that the events come from."""

from __future__ import annotations

from collections import deque

from ..running.events import Listener, Notice


class DeferredNotices:
    """Keeps messages from any thread until `show` is called: the live view has one thread."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._messages: deque[str] = deque()

    def add(self, message: str) -> None:
        self._messages.append(message)

    def show(self) -> None:
        """Send what there is to the listener, as notices."""
        while self._messages:
            self._listener(Notice(self._messages.popleft()))
