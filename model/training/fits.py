"""How an epoch fits a model: by optimiser steps, or in closed form.

A fit can pause after any step, and its `state` is what a checkpoint needs to go on from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ..components.rating_model import RatingModel
from ..config import DescentConfig, TrainingConfig
from .device import Precision
from .elbo import KlCost
from .gradients import BatchGradient
from .kl_schedules import build_schedule
from .quality import evaluate
from .randomness import random_states, set_random_states


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


class ClosedForm:
    """For a model that its `refresh` fits completely."""

    def __init__(self, model: RatingModel) -> None:
        self._model = model
        self.state: dict[str, Any] = {}

    def epoch(self, should_pause: Callable[[], bool] = never) -> Steps:
        model, store = self._model, self._model.store
        model.refresh()
        every = store.pairs(torch.arange(len(store), device=store.device))
        quality = evaluate(model, every, store.rating, model.encode_for_eval(), KlCost())
        return Steps(loss=quality.loss)


class StepSums:
    """Means over an epoch's steps, summed on the device: reading each value would stall it."""

    def __init__(self, device: torch.device, *, loss_scaling: bool) -> None:
        """Args: loss_scaling: whether a gradient that overflows means a skipped step."""
        self._sums = torch.zeros(4, dtype=torch.float64, device=device)
        self._steps = torch.zeros(4, dtype=torch.float64, device=device)
        self._loss_scaling = loss_scaling

    def add(self, loss: Tensor, kl: Tensor, kl_clamped: Tensor, grad_norm: Tensor) -> None:
        values = torch.stack([loss, kl, kl_clamped, grad_norm]).detach().double()
        counted = torch.ones_like(values)
        if self._loss_scaling:
            counted[3] = grad_norm.isfinite()
        self._sums += torch.where(counted > 0, values, 0.0)
        self._steps += counted

    def means(self) -> list[float]:
        """Loss, KL, clamped KL and gradient norm, averaged over the steps."""
        means: list[float] = (self._sums / self._steps).tolist()
        return means

    @property
    def state(self) -> dict[str, Any]:
        return {"sums": self._sums.cpu(), "steps": self._steps.cpu()}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._sums.copy_(state["sums"])
        self._steps.copy_(state["steps"])


@dataclass
class _OpenEpoch:
    """An epoch between two of its steps.

    Attributes:
        random_states: at its start, from which `batches` and the model's `refresh` were drawn.
        batches: rows of the train ratings for each step.
        n_done: steps taken.
    """

    random_states: list[Tensor]
    batches: tuple[Tensor, ...]
    sums: StepSums
    n_done: int = 0


class Descent:
    """AdamW on minibatches with its schedules; draws from torch's global generator.

    Attributes:
        n_steps: steps per epoch.
    """

    def __init__(self, config: DescentConfig, model: RatingModel, precision: Precision) -> None:
        self._config = config
        self._model = model
        self._store = model.store
        self._precision = precision
        n_ratings = len(self._store)
        # A batch has at least two rows: a single one has no variance to normalise.
        most = min(n_ratings // 2, config.max_steps or n_ratings)
        self.n_steps = max(1, min(math.ceil(n_ratings / config.batch_size), most))
        self._optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, self._lr_factor)
        self._kl_schedule = build_schedule(config, self.n_steps, self._store.device)
        self._gradient = BatchGradient(model, precision)
        self._open: _OpenEpoch | None = None

    def epoch(self, should_pause: Callable[[], bool] = never) -> Steps | None:
        """Step through all train ratings in a new order."""
        self._model.train()
        if self._open is None:
            self._open = self._begin(random_states(self._store.device))
        epoch = self._open
        while epoch.n_done < self.n_steps:
            learning_rate = float(self._schedule.get_last_lr()[0])
            kl_cost = self._kl_schedule.kl_cost
            self.step(epoch.batches[epoch.n_done], kl_cost, epoch.sums)
            epoch.n_done += 1
            if epoch.n_done < self.n_steps and should_pause():
                return None
        self._open = None
        loss, kl, kl_clamped, grad_norm = epoch.sums.means()
        plain = kl_cost._replace(beta=float(kl_cost.beta))
        return Steps(loss, kl, kl_clamped, grad_norm, plain, learning_rate)

    @property
    def state(self) -> dict[str, Any]:
        epoch = self._open
        return {
            "optimizer": self._optimizer.state_dict(),
            "learning_rate": self._schedule.state_dict(),
            "kl": self._kl_schedule.state,
            "scaler": self._precision.scaler.state_dict(),
            "epoch": epoch
            and {
                "random_states": epoch.random_states,
                "sums": epoch.sums.state,
                "n_done": epoch.n_done,
                "model": self._model.epoch_state,
            },
        }

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["learning_rate"])
        self._kl_schedule.state = state["kl"]
        if state["scaler"]:  # empty from a device that needs no scaling
            self._precision.scaler.load_state_dict(state["scaler"])
        self._open = None
        if epoch := state["epoch"]:
            self._open = self._begin_again(epoch["random_states"])
            self._open.sums.state = epoch["sums"]
            self._open.n_done = epoch["n_done"]
            self._model.epoch_state = epoch.get("model", {})  # an earlier version had none

    def _begin(self, states: list[Tensor]) -> _OpenEpoch:
        """Draw an epoch. Args: states: of the random generators, as they are now."""
        self._model.refresh()
        rows = torch.randperm(len(self._store), device=self._store.device)
        sums = StepSums(self._store.device, loss_scaling=self._precision.scaler.is_enabled())
        return _OpenEpoch(states, rows.tensor_split(self.n_steps), sums)

    def _begin_again(self, states: list[Tensor]) -> _OpenEpoch:
        """The epoch that was drawn from these states; draws nothing from the current ones."""
        device = self._store.device
        now = random_states(device)
        set_random_states(states, device)
        try:
            return self._begin(states)
        finally:
            set_random_states(now, device)

    def step(self, rows: Tensor, kl_cost: KlCost, sums: StepSums) -> None:
        """Take one optimiser step. Args: rows: of the train ratings."""
        model, scaler = self._model, self._precision.scaler
        self._optimizer.zero_grad(set_to_none=True)
        loss, kl, kl_clamped = self._gradient.backward(rows, kl_cost).unbind()
        scaler.unscale_(self._optimizer)
        grad_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), self._config.grad_clip)
        scaler.step(self._optimizer)
        scaler.update()
        self._schedule.step()
        self._kl_schedule.advance(kl)
        sums.add(loss, kl, kl_clamped, grad_norm)

    def _lr_factor(self, step: int) -> float:
        """Linear warm-up, then a cosine to zero over `max_epochs`."""
        n_steps = self.n_steps * self._config.max_epochs
        warmup = self._config.lr_warmup_epochs * self.n_steps
        cosine = 0.5 * (1 + math.cos(math.pi * min(step / n_steps, 1.0)))
        return min((step + 1) / max(warmup, 1.0), 1.0) * cosine


def build_fit(config: TrainingConfig, model: RatingModel, precision: Precision) -> Fit:
    """The fit for a model with this config."""
    if isinstance(config, DescentConfig):
        return Descent(config, model, precision)
    return ClosedForm(model)
