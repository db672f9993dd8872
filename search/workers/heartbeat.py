"""A running trial's heartbeat, and the requests to give the trial up."""

from __future__ import annotations

from contextlib import suppress
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Self

from optuna.storages import RDBStorage
from optuna.trial import TrialState

from ..storage.failures import DATABASE_ERRORS
from ..storage.studies import STOPPED

HEARTBEAT_S = 60.0
POLL_S = 3.0


class Heartbeat:
    """Records in the storage, from a thread, that a trial's process is alive.

    A storage that fails is tried again: the trial's own next write raises its error.

    Attributes:
        stop_reason: why the trial is to be given up; None if it is not.
    """

    def __init__(self, storage: RDBStorage, study_id: int, trial_id: int) -> None:
        self.stop_reason: str | None = None
        self._storage = storage
        self._study_id = study_id
        self._trial_id = trial_id
        self._over = Event()
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(timeout=POLL_S)  # not longer: it may wait for a lock

    def _run(self) -> None:
        beat_at = monotonic()  # the claim was the first
        while self.stop_reason is None and not self._over.wait(POLL_S):
            with suppress(*DATABASE_ERRORS, KeyError):
                if monotonic() - beat_at >= HEARTBEAT_S:
                    self._storage.record_heartbeat(self._trial_id)
                    beat_at = monotonic()
                self.stop_reason = self._find_stop_reason()

    def _find_stop_reason(self) -> str | None:
        """Why the trial is to be given up; None if it is not."""
        if self._storage.get_study_system_attrs(self._study_id).get(STOPPED):
            return "recsys-search stop"
        if self._storage.get_trial(self._trial_id).state != TrialState.RUNNING:
            return "taken over by another process"
        return None
