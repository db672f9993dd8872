"""How the KL weight (beta in the formulas) changes while a model trains.

One object per run: `kl_cost` for the next step, then `advance` with the raw KL of that step. Its
`state` is all that a checkpoint needs to resume it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from ...config import DescentConfig, VaeConfig
from ..elbo import KlCost


class KlSchedule(Protocol):
    @property
    def kl_cost(self) -> KlCost:
        """The KL term's cost in the next step."""

    def advance(self, kl: Tensor) -> None:
        """End a step. Args: kl: its raw KL, (), in nats."""

    @property
    def state(self) -> dict[str, Any]:
        """Everything that changes, for a checkpoint; can be set."""

    @state.setter
    def state(self, state: dict[str, Any]) -> None: ...


class NoKl:
    """The schedule of a model without latents."""

    kl_cost = KlCost()

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def advance(self, kl: Tensor) -> None:
        pass


class ScheduledWeight:
    """A share of `kl_weight` that depends only on the number of steps done."""

    def __init__(self, config: VaeConfig, n_steps: int) -> None:
        """Args: n_steps: optimiser steps per epoch."""
        self._config = config
        self._n_steps = n_steps
        self._step = 0

    @property
    def beta(self) -> float:
        # The first step is already above 0: at a KL weight of 0 nothing would hold the posterior.
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


class ControlledWeight:
    """Holds the raw KL at `kl_target` nats with a KL weight between 0 and `kl_weight`.

    A PI controller in velocity form: each step changes beta by the change of the proportional term
    plus the integral's increment. No sum of errors can wind up while beta is at a bound: it
    leaves the bound at the first step whose error points away from it.

    Source: Shao et al. 2020, "ControlVAE", arXiv:2004.05988, section 3; errors are relative to the
    set point and gains to `kl_weight`, so that they fit any values of both.
    """

    PROPORTIONAL = 0.1  # share of kl_weight that the proportional term can reach
    INTEGRAL = 0.005  # share of kl_weight per step if the KL is twice the set point

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
        # Everything stays on the device: reading a value in each step would stall it.
        # An error above 0 means that the KL is too low, so beta must fall.
        error = (self._target - kl.detach()) / self._target
        proportional = torch.sigmoid(-error)
        change = self.PROPORTIONAL * (proportional - self._last) - self.INTEGRAL * error
        # A KL that is not finite must not persist in beta.
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
    # The end of a cycle belongs to it, not to the start of the next one.
    within = cycles - math.ceil(cycles) + 1.0 if cycles > 0 else 0.0
    return min(1.0, 2.0 * within)


SHARES: dict[str, Callable[[VaeConfig, float], float]] = {
    "constant": constant,
    "linear": linear,
    "cyclical": cyclical,
}


def build_schedule(config: DescentConfig, n_steps: int, device: torch.device) -> KlSchedule:
    """Args: n_steps: optimiser steps per epoch."""
    if not isinstance(config, VaeConfig):
        return NoKl()
    if config.kl_schedule == "controller":
        return ControlledWeight(config, device)
    return ScheduledWeight(config, n_steps)
