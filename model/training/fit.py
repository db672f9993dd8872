"""The interface of what fits a model, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from .elbo import KlCost


class Steps(NamedTuple):
    """The figures of an epoch's steps, as plain numbers.

    Attributes:
        loss, kl, kl_clamped, grad_norm: means over the steps, as in `EpochReport`.
        kl_cost, learning_rate: at the last step.
    """

    loss: float
    kl: float = 0.0
    kl_clamped: float = 0.0
    grad_norm: float = 0.0
    kl_cost: KlCost = KlCost()
    learning_rate: float = 0.0


def never() -> bool:
    return False


class Fit(Protocol):
    def epoch(self, should_pause: Callable[[], bool] = never) -> Steps | None:
        """Pass once over all train ratings, and wait for the device.

        Args:
            should_pause: asked after each step but the last.

        Returns:
            None if it paused; the next call goes on with the epoch.
        """

    @property
    def state(self) -> dict[str, Any]:
        """Everything but the weights that changes, for a checkpoint; can be set."""

    @state.setter
    def state(self, state: dict[str, Any]) -> None: ...
