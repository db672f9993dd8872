"""How the weight of the KL term, beta, changes while a model trains.

One object a run: `kl_cost` for the next step, then `advance` with the raw KL that the step saw.
What it knows is in `state`, so that a resumed run goes on where it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from ..config import DescentConfig, VaeConfig
from .elbo import KlCost


class BetaSchedule(Protocol):
    @property
    def kl_cost(self) -> KlCost:
        """Of the next step."""

    def advance(self, kl: Tensor) -> None:
        """Ends a step. Args: kl: its raw KL, (), in nats."""

    @property
    def state(self) -> dict[str, Any]:
        """All that changes, for a checkpoint; may be set."""

    @state.setter
    def state(self, state: dict[str, Any]) -> None: ...


class NoKl:
    """Of a model without latents."""

    kl_cost = KlCost()

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def advance(self, kl: Tensor) -> None:
        pass


class Clocked:
    """Beta as a share of `kl_weight` that depends on the steps done and on nothing else."""

    def __init__(self, config: VaeConfig, n_steps: int) -> None:
        """Args: n_steps: of one epoch."""
        self._config = config
        self._n_steps = n_steps
        self._step = 0

    @property
    def beta(self) -> float:
        # The first step has a share of the rise already: at beta 0 the posterior is free to go.
        epochs = (self._step + 1) / self._n_steps
        return self._config.kl_weight * SHARES[self._config.kl_schedule](self._config, epochs)

    @property
    def kl_cost(self) -> KlCost:
        return KlCost(self.beta, self._config.free_bits, self._config.free_bits_per)

    def advance(self, kl: Tensor) -> None:
        self._step += 1

    @property
    def state(self) -> dict[str, Any]:
        return {"step": self._step}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._step = state["step"]


class Controlled:
    """Holds the raw KL at `kl_target` nats with a beta between 0 and `kl_weight`.

    A PI controller in velocity form: each step changes beta by the change of the proportional term
    and by the integral's increment. There is no sum of errors that could wind up while beta is at
    one of its ends: it leaves the end with the first step whose error points away from it.

    Source: Shao et al. 2020, "ControlVAE", arXiv:2004.05988, section 3; errors relative to the set
    point and gains relative to `kl_weight`, so that they serve any of both.
    """

    PROPORTIONAL = 0.1  # share of kl_weight that the proportional term can reach
    INTEGRAL = 0.005  # share of kl_weight in a step whose KL is twice the set point

    def __init__(self, config: VaeConfig, device: torch.device) -> None:
        self._config = config
        self._limit = config.kl_weight
        self._target = config.kl_target
        self._beta = torch.zeros((), device=device)
        self._last = torch.zeros((), device=device)

    @property
    def beta(self) -> Tensor:
        return self._beta

    @property
    def kl_cost(self) -> KlCost:
        return KlCost(self.beta, self._config.free_bits, self._config.free_bits_per)

    def advance(self, kl: Tensor) -> None:
        # On the device throughout: to ask for a value in each step would stall it.
        error = (self._target - kl.detach()) / self._target  # above 0: KL too low, beta must fall
        proportional = torch.sigmoid(-error)
        change = self.PROPORTIONAL * (proportional - self._last) - self.INTEGRAL * error
        # A KL that is not finite must not stay in beta for ever.
        change = torch.nan_to_num(change, nan=0.0, posinf=1.0, neginf=-1.0)
        self._last = torch.nan_to_num(proportional)
        self._beta = (self._beta + self._limit * change).clamp(0.0, self._limit)

    @property
    def state(self) -> dict[str, Any]:
        return {"beta": float(self._beta), "last": float(self._last)}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._beta = torch.full_like(self._beta, state["beta"])
        self._last = torch.full_like(self._last, state["last"])


def constant(config: VaeConfig, epochs: float) -> float:
    return 1.0


def linear(config: VaeConfig, epochs: float) -> float:
    """From 0 to 1 over `kl_warmup_epochs`, then 1."""
    return 1.0 if epochs >= config.kl_warmup_epochs else epochs / config.kl_warmup_epochs


def cyclical(config: VaeConfig, epochs: float) -> float:
    """`kl_cycles` cycles over the training, each a linear rise in its first half, then 1.

    Source: Fu et al. 2019, arXiv:1903.10145, equations 6 and 7, with R = 0.5.
    """
    cycles = config.kl_cycles * min(epochs / config.max_epochs, 1.0)
    # The last moment of a cycle belongs to it, not to the next one's start.
    within = cycles - math.ceil(cycles) + 1.0 if cycles > 0 else 0.0
    return min(1.0, 2.0 * within)


SHARES: dict[str, Callable[[VaeConfig, float], float]] = {
    "constant": constant,
    "linear": linear,
    "cyclical": cyclical,
}


def build_schedule(config: DescentConfig, n_steps: int, device: torch.device) -> BetaSchedule:
    """Args: n_steps: of one epoch."""
    if not isinstance(config, VaeConfig):
        return NoKl()
    if config.kl_schedule == "controller":
        return Controlled(config, device)
    return Clocked(config, n_steps)
