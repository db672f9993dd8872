"""A tiny training that checks whether this machine computes in the precision it would pick."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...data.demo.generator import demo_ratings
from ...data.splits.spec import SplitSpec
from ...data.splits.split import Split, split_ratings
from ..architectures.hybrid import HybridConfig
from ..config import Amp
from .training import Training

# Relative difference of the loss. bf16 stays within 0.001; fp16 may skip its first steps while the
# loss scale settles, which costs 0.01.
TOLERANCE = 0.05


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    """The outcome of a small training.

    Attributes:
        amp: the precision that `auto` picks on the device: bf16, fp16 or off.
        n_steps: optimiser steps in each of the two precisions.
        loss, float32_loss: means over the steps of the last epoch.
        grad_norm: mean over the same steps.
    """

    amp: str
    n_steps: int
    loss: float
    float32_loss: float
    grad_norm: float

    @property
    def passed(self) -> bool:
        """Whether everything is finite and the precision hardly changes the loss."""
        difference = abs(self.loss - self.float32_loss) / self.float32_loss
        return math.isfinite(self.grad_norm) and difference <= TOLERANCE  # False for NaN


def self_test(device: str) -> SelfTest:
    """Train a small hybrid in the precision that `auto` picks, and in float32.

    Without dropout, whose masks would differ between precisions.
    """
    split = split_ratings(demo_ratings(2000, n_users=60, n_films=80), SplitSpec())
    amp, loss, grad_norm, n_steps = _train(split, device, "auto")
    _, float32_loss, _, _ = _train(split, device, "off")
    return SelfTest(
        amp=amp, n_steps=n_steps, loss=loss, float32_loss=float32_loss, grad_norm=grad_norm
    )


def _train(split: Split, device: str, amp: Amp) -> tuple[str, float, float, int]:
    config = HybridConfig(
        amp=amp,
        max_epochs=2,
        batch_size=200,
        n_factors=16,
        hidden_dims=(32, 16),
        latent_dim=8,
        dropout=0.0,
        kl_warmup_epochs=0.0,
        learning_rate=1e-2,
    )
    with Training(config, split, device) as run:
        *_, last = run
    n_steps = config.max_epochs * math.ceil(len(split.train) / config.batch_size)
    return run.amp, last.train_loss, last.grad_norm, n_steps
