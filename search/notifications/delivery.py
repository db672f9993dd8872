"""Delivers messages to endpoints from threads, so that one that is dead holds nothing up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Literal

from ...base.background import Background
from .endpoints import Endpoint

WAITING = 20  # messages for one endpoint
CLOSE_S = 5.0  # for the last messages of all endpoints together


Kind = Literal["info", "success", "warning", "failure"]


@dataclass(frozen=True)
class Message:
    """What people read. `kind` chooses its colour or icon, where the service has them."""

    title: str
    body: str
    kind: Kind = "info"


class Delivery:
    """Sends messages to all endpoints."""

    def __init__(self, endpoints: Sequence[Endpoint], warn: Callable[[str], None]) -> None:
        """Args: warn: called from a thread, once for an endpoint that a message has not reached."""
        self._warn = warn
        self._failed: set[str] = set()
        self._queues = [(each, Background("notify", WAITING)) for each in endpoints]

    def send(self, message: Message) -> None:
        """Send soon; a message too many for an endpoint that does not keep up is dropped."""
        for endpoint, queue in self._queues:
            queue.submit(partial(self._deliver, endpoint, message))

    def close(self) -> None:
        """Wait for the last messages, a few seconds at most."""
        deadline = monotonic() + CLOSE_S
        for endpoint, queue in self._queues:
            if not queue.close(max(0.0, deadline - monotonic())):
                self._fail(endpoint, "it does not answer in time")

    def _deliver(self, endpoint: Endpoint, message: Message) -> None:
        try:
            result = endpoint.outbox.notify(
                title=message.title,
                body=message.body,
                notify_type=message.kind,
                body_format="text",
            )
            is_sent = bool(result)
            why = "the service cannot be reached, or refused the message"
        except Exception as error:  # its text may contain the URL
            is_sent, why = False, f"{type(error).__name__} in apprise"
        if not is_sent:
            self._fail(endpoint, why)

    def _fail(self, endpoint: Endpoint, why: str) -> None:
        if endpoint.label not in self._failed:
            self._failed.add(endpoint.label)
            self._warn(f"{endpoint.label}: a notification was not delivered: {why}; trials go on")
