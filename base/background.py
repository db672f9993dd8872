"""Work in a thread that its caller never waits for."""

from __future__ import annotations

from collections.abc import Callable
from queue import Full, Queue
from threading import Thread


class Background:
    """Calls functions one after the other in a thread of its own; their errors are ignored.

    The thread does not keep the process alive: what hangs is lost when the process ends.
    """

    def __init__(self, name: str, size: int) -> None:
        """Args:
        name: of the thread.
        size: calls that may wait; further ones are refused.
        """
        self._calls: Queue[Callable[[], object] | None] = Queue(size)
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, call: Callable[[], object]) -> bool:
        """Call it soon; False if too many calls are waiting already."""
        try:
            self._calls.put_nowait(call)
        except Full:
            return False
        return True

    def close(self, wait_s: float) -> bool:
        """Take no more calls, and wait for those that are left; False if that takes longer."""
        try:
            self._calls.put(None, timeout=wait_s)
        except Full:
            return False
        self._thread.join(wait_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception:  # the call reports its errors itself
                continue
