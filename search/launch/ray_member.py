"""A worker of the pool that is a Ray actor."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from threading import Thread
from typing import Any
from uuid import uuid4

from ..running.events import Event
from ..workers.job import Ended, Job
from .cluster import Allocation
from .pool import END_S, Member, Put
from .ray_worker import Placed, RayWorker
from .shared_artifacts import SharedArtifacts


class RayMember(Member):
    """A worker that is an actor, on whichever node has room for it."""

    def __init__(
        self,
        number: int,
        job: Job,
        split: Any,
        allocation: Allocation,
        artifacts: SharedArtifacts,
        requeue: Callable[[str], None],
    ) -> None:
        """Describe a worker, without starting it.

        Args:
            split: a Ray reference to the study's split.
            requeue: ends the trial of a run whose worker is dead, and queues it again.
        """
        super().__init__(number)
        self._job = job
        self._split = split
        self._allocation = allocation
        self._artifacts = artifacts
        self._requeue = requeue
        self._actor: Any = None
        self._reader: Thread | None = None
        self._run = ""
        self._host: str | None = None  # None until Ray has placed the actor
        self._is_interrupted = False
        self._how_it_ended = ""

    def start(self, put: Put) -> None:
        import ray

        self._run = uuid4().hex
        self._host, self._is_interrupted, self._how_it_ended = None, False, "has ended"
        self._actor = (
            ray.remote(RayWorker)
            # Two calls at a time: `interrupt` arrives while `run` runs.
            .options(
                num_cpus=self._allocation.cpus, num_gpus=self._allocation.gpus, max_concurrency=2
            )
            .remote(self._artifacts, self._allocation.gpus)
        )
        run = self._actor.run.options(num_returns="streaming")
        messages = run.remote(replace(self._job, run=self._run), self._split)
        self._reader = Thread(target=self._read, args=(messages, put), daemon=True)
        self._reader.start()

    def interrupt(self, signal_name: str) -> None:
        if self._host is None or self._is_interrupted:
            self._kill()  # a worker without a node has nothing to save
        else:
            self._is_interrupted = True
            self._actor.interrupt.remote(signal_name)

    def cancel_if_waiting(self) -> None:
        if self._host is None:
            self._kill()

    def wait(self) -> str:
        # Also if Ray has lost the actor: one that is only cut off must not go on unseen.
        self._kill()
        if self.outcome is None:
            # No process on another node can see that this one is dead.
            self._requeue(self._run)
        return self._how_it_ended

    def end(self) -> None:
        if self.is_running and self._reader:
            self._reader.join(END_S)
            self.wait()
            self._reader.join(END_S)  # it must not use Ray when the connection is closed

    def _read(self, messages: Any, put: Put) -> None:
        """Pass the worker's messages on, in a thread, and at last None."""
        import ray

        try:
            for reference in messages:
                message = ray.get(reference)
                if isinstance(message, Placed):
                    self._host = message.host
                else:
                    put(self._located(message))
        # Not only RayError: Ray raises others for a message that it cannot unpickle, or when the
        # connection is gone.
        except Exception as error:
            self._how_it_ended = _describe(error, self._host)
        finally:
            put(None)

    def _kill(self) -> None:
        import ray

        if self._actor is not None:
            with suppress(Exception):  # Ray's, if the connection is gone
                ray.kill(self._actor)

    def _located(self, message: Event | Ended) -> Event | Ended:
        """The message; an error in it names the node."""
        if isinstance(message, Ended) and message.error:
            return Ended(error=type(message.error)(f"{message.error} (on node {self._host})"))
        return message


def _describe(error: Exception, host: str | None) -> str:
    """How a worker ended, from Ray's error.

    The last line of its text states the cause in the first sentence; what follows is advice.
    """
    from ray.exceptions import ActorUnavailableError

    where = f" on {host}" if host else ""
    if isinstance(error, ActorUnavailableError):
        return f"was lost{where}: its node does not answer"
    *_, cause = str(error).strip().splitlines() or [type(error).__name__]
    return f"was lost{where}: {cause.strip().split('. ')[0].rstrip('.')}"
