"""Workers as Ray actors: Ray places them on the nodes, and carries the ratings there."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from queue import SimpleQueue
from threading import Thread
from typing import Any
from uuid import uuid4

from ...base.folders import LocalFolder
from ...base.interrupts import Interrupts
from ...data.splits.split import Split
from ...errors import RecsysSearchError, StorageError
from ...model.training.device import resolve_device
from ...model.training.machine import limit_gpu_memory
from ..running.events import Event, Listener, notifier
from ..storage.artifacts import open_artifacts
from ..storage.examples import ARTIFACTS_VARIABLE
from ..storage.failures import STORAGE_FAILURES
from ..storage.studies import read_study_id
from ..storage.urls import sqlite_file, sqlite_url
from ..workers.job import Ended, Job
from ..workers.join import join_from_afar
from ..workers.queue import recover
from .cluster import Allocation
from .open_study import OpenStudy
from .pool import Member, Pool, Put

END_S = 5.0  # for an actor that has been asked to end


@dataclass(frozen=True)
class Begun:
    """The first message of a worker: Ray has placed it."""

    node: str


@dataclass(frozen=True)
class Shared:
    """Where the nodes find the artifacts of the storage.

    Attributes:
        place: absolute, or a URL.
        mark: a file in it, by which a node sees that the folder is the same.
    """

    place: str
    mark: str


def run_on_cluster(
    study: OpenStudy, job: Job, allocation: Allocation, listener: Listener, interrupts: Interrupts
) -> str | None:
    """Run trials on the connected Ray cluster; returns why the study ends before its total."""
    import ray

    if allocation.shortage:
        notifier(listener)(allocation.shortage)
    if (path := sqlite_file(job.url)) is not None:
        job = replace(job, url=sqlite_url(path.absolute()))
    if job.device == "auto" and not allocation.gpus:
        # Ray hides no GPU from a worker that is given none.
        job = replace(job, device="cpu")
    job = replace(job, threads=allocation.cpus)
    with _shared_artifacts(job.url) as shared:
        split = ray.put(study.split)
        members = [
            RayMember(n, study, job, split, allocation, shared) for n in range(allocation.workers)
        ]
        return Pool(members, listener, interrupts).run()


@contextmanager
def _shared_artifacts(url: str) -> Iterator[Shared]:
    """The place of the artifacts, marked within the block."""
    folder = open_artifacts(url)
    place = os.environ.get(ARTIFACTS_VARIABLE, "")
    if isinstance(folder, LocalFolder):
        place = str(folder.path.absolute())
    shared = Shared(place, f".cluster-{uuid4().hex}")
    folder.write(shared.mark, b"")
    try:
        yield shared
    finally:
        folder.remove(shared.mark)


class RayMember(Member):
    """A worker that is an actor, on whichever node has room for it."""

    def __init__(
        self,
        number: int,
        study: OpenStudy,
        job: Job,
        split: Any,
        allocation: Allocation,
        shared: Shared,
    ) -> None:
        """Args: split: a Ray reference to the study's."""
        super().__init__(number)
        self._study = study
        self._job = job
        self._split = split
        self._allocation = allocation
        self._shared = shared
        self._actor: Any = None
        self._reader: Thread | None = None
        self._node: str | None = None
        self._is_interrupted = False
        self._death = ""

    def start(self, put: Put) -> None:
        import ray
        from ray.exceptions import RayError

        self._job = replace(self._job, run=uuid4().hex)
        self._node, self._is_interrupted, self._death = None, False, "has ended"
        self._actor = (
            ray.remote(RayWorker)
            # Two calls at a time: `interrupt` arrives while `run` runs.
            .options(
                num_cpus=self._allocation.cpus, num_gpus=self._allocation.gpus, max_concurrency=2
            )
            .remote(self._shared, self._allocation.gpus)
        )
        run = self._actor.run.options(num_returns="streaming")
        messages = run.remote(self._job, self._split)

        def read() -> None:
            try:
                for reference in messages:
                    message = ray.get(reference)
                    if isinstance(message, Begun):
                        self._node = message.node
                    else:
                        put(self._located(message))
            except RayError as error:
                self._death = _describe(error, self._node)
            finally:
                put(None)

        self._reader = Thread(target=read, daemon=True)
        self._reader.start()

    def interrupt(self, signal_name: str) -> None:
        if self._node is None or self._is_interrupted:
            self._kill()
        elif self._actor is not None:
            self._is_interrupted = True
            self._actor.interrupt.remote(signal_name)

    def dismiss(self) -> None:
        if self._node is None:
            self._kill()

    def wait(self) -> str:
        self._kill()  # one that is cut off, and not dead, must not go on unseen
        if self.outcome is None and self._job.run:
            # Its trial goes on at once: on another machine nobody sees that the process has ended.
            with suppress(*STORAGE_FAILURES):
                study_id = read_study_id(self._job.study, self._study.storage)
                recover(self._study.storage, study_id, {self._job.run})
        return self._death

    def end(self) -> None:
        if self._reader and self.is_running:
            self._reader.join(END_S)
        self._kill()

    def _kill(self) -> None:
        import ray

        if self._actor is not None:
            with suppress(Exception):  # Ray's, if it has ended already
                ray.kill(self._actor)

    def _located(self, message: Event | Ended) -> Event | Ended:
        """The message; an error in it names the node."""
        if isinstance(message, Ended) and message.error:
            return Ended(error=type(message.error)(f"{message.error} (on node {self._node})"))
        return message


class RayWorker:
    """The actor of a worker."""

    def __init__(self, shared: Shared, gpus: float) -> None:
        os.environ[ARTIFACTS_VARIABLE] = shared.place
        self._mark = shared.mark
        self._interrupts = Interrupts(lambda message: None)
        if 0 < gpus < 1:
            limit_gpu_memory(gpus)

    def run(self, job: Job, split: Split) -> Iterator[Begun | Event | Ended]:
        """Run trials of the job's study; yields what happens, and last the outcome."""
        yield Begun(socket.gethostname())
        messages: SimpleQueue[Event | Ended | BaseException] = SimpleQueue()

        def work() -> None:
            try:
                resolve_device(job.device)
                self._check_shared(job.url)
                join_from_afar(job, messages.put, self._interrupts, split)
            except RecsysSearchError as error:
                messages.put(Ended(error=error))
            except BaseException as error:
                messages.put(error)

        Thread(target=work, daemon=True).start()
        while not isinstance(message := messages.get(), Ended):
            if isinstance(message, BaseException):
                raise message
            yield message
        yield message

    def interrupt(self, signal_name: str) -> None:
        """Let `run` end after its batch."""
        self._interrupts.received = self._interrupts.received or signal_name

    def _check_shared(self, url: str) -> None:
        """Refuse a folder of this node that has the shared one's name and is another.

        Raises:
            StorageError: likewise.
        """
        folder = open_artifacts(url)
        try:
            folder.read(self._mark)
        except OSError:
            raise StorageError(
                f"{folder} is not the folder of the other nodes; mount that one here, or name a "
                "URL with --artifacts"
            ) from None


def _describe(error: Exception, node: str | None) -> str:
    """How a worker ended, from Ray's error, whose last line says the cause, and then advises."""
    from ray.exceptions import ActorUnavailableError

    where = f" on {node}" if node else ""
    if isinstance(error, ActorUnavailableError):
        return f"was lost{where}: its node does not answer"
    *_, cause = str(error).strip().splitlines() or [type(error).__name__]
    return f"was lost{where}: {cause.strip().split('. ')[0]}"
