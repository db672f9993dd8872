"""What a worker receives when it starts, and what it reports when it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import time

from ...base.interrupts import Interrupts
from ..sharing.options import TrialsPerGpu


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker needs besides the study, which is in the storage.

    Attributes:
        dataset: where the study's ratings are on this machine; None if they have not moved.
        threads: of torch; None leaves its own choice.
        timeout: as the user wrote it, such as `2h`.
        deadline: when the timeout is over, in seconds since 1970.
        storage_patience: how long to wait each time that the storage fails, such as `10m`.
        waits: whether to wait for trials that other workers run, in case these are interrupted.
        trials_per_gpu: a number or `auto`, if the GPU is shared with other processes; None if not.
        run: a unique name of this run, stored with the trials that it claims. [default: random]
    """

    study: str
    url: str
    device: str = "auto"
    dataset: str | None = None
    threads: int | None = None
    timeout: str | None = None
    deadline: float | None = None
    storage_patience: str | None = None
    waits: bool = True
    trials_per_gpu: TrialsPerGpu | None = None
    run: str | None = None

    def should_stop(self, interrupts: Interrupts) -> Callable[[], str | None]:
        """A function that returns why the worker should end, or None."""

        def should_stop() -> str | None:
            if interrupts.cause:
                return interrupts.cause
            if self.deadline is not None and time() >= self.deadline:
                return f"out of time ({self.timeout})"
            return None

        return should_stop


@dataclass(frozen=True)
class Ended:
    """The outcome of a worker: why it ended, or the error that ended it."""

    reason: str | None = None
    error: Exception | None = None
