"""An epoch of optimiser steps, which can pause after any of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...components.rating_model import RatingModel
from ...config import DescentConfig
from ..device import Precision
from ..fit import Steps, never
from ..randomness import random_states, set_random_states
from .gradients import BatchGradient
from .graphs import CapturedSteps, CudaGraphs, graphs_are_enabled
from .kl_schedules import build_schedule
from .row_adamw import RowAdamW, choose_gradients
from .step_sums import StepSums


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
        self._n_done = 0  # steps, in all epochs
        choose_gradients(model, config.batch_size)
        self._optimizer = RowAdamW(
            model.parameters(), self._store.device, weight_decay=config.weight_decay
        )
        self._kl_schedule = build_schedule(config, self.n_steps, self._store.device)
        self._gradient = BatchGradient(model, precision)
        self._beta = torch.zeros((), device=self._store.device)
        self._sums = StepSums(self._store.device, loss_scaling=precision.scaler.is_enabled())
        self._captured: CapturedSteps | None = None
        if self._can_capture:
            self._captured = CapturedSteps(CudaGraphs(self._store.device))
        self._open: _OpenEpoch | None = None

    def epoch(self, should_pause: Callable[[], bool] = never) -> Steps | None:
        """Step through all train ratings in a new order."""
        self._model.train()
        if self._open is None:
            self._open = self._begin(random_states(self._store.device))
        epoch = self._open
        while epoch.n_done < self.n_steps:
            learning_rate = self.learning_rate
            kl_cost = self._kl_schedule.kl_cost
            self.step(epoch.batches[epoch.n_done])
            epoch.n_done += 1
            if epoch.n_done < self.n_steps and should_pause():
                return None
        self._open = None
        loss, kl, kl_clamped, grad_norm = self._sums.means()
        plain = kl_cost._replace(beta=float(kl_cost.beta))
        return Steps(loss, kl, kl_clamped, grad_norm, plain, learning_rate)

    @property
    def state(self) -> dict[str, Any]:
        epoch = self._open
        return {
            "optimizer": self._optimizer.state_dict(),
            "n_done": self._n_done,
            "kl": self._kl_schedule.state,
            "scaler": self._precision.scaler.state_dict(),
            "epoch": epoch
            and {
                "random_states": epoch.random_states,
                "sums": self._sums.state,
                "n_done": epoch.n_done,
                "model": self._model.epoch_state,
            },
        }

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._optimizer.load_state_dict(state["optimizer"])
        self._n_done = state["n_done"]
        self._kl_schedule.state = state["kl"]
        if state["scaler"]:  # empty from a device that needs no scaling
            self._precision.scaler.load_state_dict(state["scaler"])
        self._open = None
        if epoch := state["epoch"]:
            self._open = self._begin_again(epoch["random_states"])
            self._sums.state = epoch["sums"]
            self._open.n_done = epoch["n_done"]
            self._model.epoch_state = epoch["model"]

    def _begin(self, states: list[Tensor]) -> _OpenEpoch:
        """Draw an epoch. Args: states: of the random generators, as they are now."""
        self._model.refresh()
        rows = torch.randperm(len(self._store), device=self._store.device)
        self._sums.reset()
        return _OpenEpoch(states, rows.tensor_split(self.n_steps))

    def _begin_again(self, states: list[Tensor]) -> _OpenEpoch:
        """The epoch that was drawn from these states; draws nothing from the current ones."""
        device = self._store.device
        now = random_states(device)
        set_random_states(states, device)
        try:
            return self._begin(states)
        finally:
            set_random_states(now, device)

    def step(self, rows: Tensor) -> None:
        """Take one optimiser step. Args: rows: of the train ratings."""
        # What the host decides goes to tensors: a captured step has the numbers of its capture.
        self._optimizer.prepare(self._n_done + 1, self.learning_rate)
        self._beta.fill_(self._kl_schedule.kl_cost.beta)
        if self._captured is None:
            kl = self._descend(rows)
        else:
            kl = self._captured.run(self._descend, rows)
        self._n_done += 1
        self._kl_schedule.advance(kl)

    def _descend(self, rows: Tensor) -> Tensor:
        """What a step does on the device; its raw KL, ()."""
        scaler = self._precision.scaler
        kl_cost = self._kl_schedule.kl_cost._replace(beta=self._beta)
        self._optimizer.zero_grad(set_to_none=True)
        loss, kl, kl_clamped = self._gradient.backward(rows, kl_cost).unbind()
        scaler.unscale_(self._optimizer)
        grad_norm = self._optimizer.clip_gradients(self._config.grad_clip)
        scaler.step(self._optimizer)
        scaler.update()
        self._sums.add(loss, kl, kl_clamped, grad_norm)
        return kl

    @property
    def _can_capture(self) -> bool:
        # A GradScaler is left out: torch documents no whole step with one as a graph.
        return (
            self._store.device.type == "cuda"
            and self._model.repeats_steps
            and not self._precision.scaler.is_enabled()
            and graphs_are_enabled()
        )

    @property
    def learning_rate(self) -> float:
        """Of the next step: a linear warm-up, then a cosine to zero over `max_epochs`."""
        n_steps = self.n_steps * self._config.max_epochs
        warmup = self._config.lr_warmup_epochs * self.n_steps
        cosine = 0.5 * (1 + math.cos(math.pi * min(self._n_done / n_steps, 1.0)))
        warmed_up = min((self._n_done + 1) / max(warmup, 1.0), 1.0)
        return self._config.learning_rate * warmed_up * cosine
