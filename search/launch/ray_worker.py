"""The Ray actor of a worker, on a node of the cluster."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread

from ...base.interrupts import Interrupts
from ...data.splits.split import Split
from ...errors import RecsysSearchError
from ...model.training.device import resolve_device
from ...model.training.machine import limit_gpu_memory
from ..running.events import Event
from ..workers.job import Ended, Job
from ..workers.join import join_and_report
from .shared_artifacts import SharedArtifacts


@dataclass(frozen=True)
class Placed:
    """The first message of a worker: the host name of the node that Ray has placed it on."""

    host: str


class RayWorker:
    """Runs the trials of a `RayMember`."""

    def __init__(self, artifacts: SharedArtifacts, gpus: float) -> None:
        """Args: gpus: that Ray gives it, such as 0.25."""
        self._artifacts = artifacts
        self._gpus = gpus
        self._interrupts = Interrupts(lambda message: None)

    def run(self, job: Job, split: Split) -> Iterator[Placed | Event | Ended]:
        """Run trials of the job's study; yields what happens, and last the outcome."""
        yield Placed(socket.gethostname())
        messages: SimpleQueue[Event | Ended | BaseException] = SimpleQueue()

        def work() -> None:
            try:
                self._prepare(job)
                join_and_report(job, messages.put, self._interrupts, split)
            except RecsysSearchError as error:
                messages.put(Ended(error=error))
            except BaseException as error:  # raised again below, where Ray reports it
                messages.put(error)

        Thread(target=work, daemon=True).start()
        while not isinstance(message := messages.get(), Ended):
            if isinstance(message, BaseException):
                raise message
            yield message
        yield message

    def interrupt(self, signal_name: str) -> None:
        """Let `run` end after its batch, as on this signal."""
        self._interrupts.received = self._interrupts.received or signal_name

    def _prepare(self, job: Job) -> None:
        """Set this process up for the job.

        Raises:
            ConfigError: this node does not have the job's device.
            StorageError: it does not see the shared artifacts.
        """
        resolve_device(job.device)
        self._artifacts.use(job.url)
        if 0 < self._gpus < 1:
            limit_gpu_memory(self._gpus, job.device)
