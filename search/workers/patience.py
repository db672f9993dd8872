"""Waits for a storage that fails for a while: a lock, a full disk, a server that restarts."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from ...base.interrupts import Interrupts, pause
from ..definition.durations import parse_duration
from ..running.events import Listener, Trouble, alarm
from ..storage.failures import (
    STORAGE_FAILURES,
    database_error,
    describe_database_error,
    remedy_in_use,
)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


class StoragePatience:
    """How long to wait for the storage, each time that it fails."""

    def __init__(
        self,
        limit: str | None,
        interrupts: Interrupts,
        listener: Listener,
    ) -> None:
        """Args: limit: such as `10m`; None does not wait."""
        self._limit = limit
        self._limit_s = 0.0 if limit is None else parse_duration(limit)
        self._interrupts = interrupts
        self._listener = listener

    def wait(self, error: BaseException, attempt: Callable[[], object]) -> bool:
        """Wait with growing pauses until `attempt` succeeds.

        Args:
            error: with which the storage failed.
            attempt: a use of the storage.

        Returns:
            False if the error has another cause, or after the limit or a signal.
        """
        cause = database_error(error)
        if cause is None or not self._limit_s:
            return False
        alarm(self._listener, "storage")(
            f"the storage failed: {describe_database_error(cause)}; waiting for it, up to "
            f"{self._limit} ({remedy_in_use(cause)})"
        )
        deadline, pause_s = monotonic() + self._limit_s, FIRST_PAUSE_S
        while not self._interrupts.received and monotonic() < deadline:
            self._pause(min(pause_s, deadline - monotonic()))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            try:
                attempt()
            except STORAGE_FAILURES:
                continue
            self._listener(Trouble("the storage works again", "storage", is_over=True))
            return True
        return False

    def _pause(self, seconds: float) -> None:
        pause(seconds, lambda: self._interrupts.received)
