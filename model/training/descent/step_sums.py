"""Figures of an epoch's steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class StepSums:
    """Means over an epoch's steps, summed on the device: reading each value would stall it."""

    def __init__(self, device: torch.device, *, loss_scaling: bool) -> None:
        """Args: loss_scaling: whether a gradient that overflows means a skipped step."""
        self._sums = torch.zeros(4, dtype=torch.float64, device=device)
        self._steps = torch.zeros(4, dtype=torch.float64, device=device)
        self._loss_scaling = loss_scaling

    def reset(self) -> None:
        self._sums.zero_()
        self._steps.zero_()

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
        return {
            "sums": self._sums.to("cpu", copy=True),
            "steps": self._steps.to("cpu", copy=True),
        }

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._sums.copy_(state["sums"])
        self._steps.copy_(state["steps"])
