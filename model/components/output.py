"""The output of a model for a batch of pairs. Shapes: B pairs, K latent dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Posterior(NamedTuple):
    """q(z|x) = N(mu, exp(logvar)), both (B, K)."""

    mu: Tensor
    logvar: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """z by the reparametrisation trick (Kingma & Welling 2014, arXiv:1312.6114)."""
        z: Tensor = _Sample.apply(self.mu, self.logvar, generator)
        return z


class Output(NamedTuple):
    """The input of the loss and of expected ratings.

    Attributes:
        prediction: (B,) stars, not clipped.
        posteriors: by tower; empty for a model without latents.
        penalty: () added to the loss, as a mean over the batch.
    """

    prediction: Tensor
    posteriors: Mapping[str, Posterior]
    penalty: Tensor | float = 0.0


class _Sample(torch.autograd.Function):
    """mu plus noise. autograd would keep the noise's factors, and pass over each once more."""

    @staticmethod
    def forward(ctx: Any, mu: Tensor, logvar: Tensor, generator: torch.Generator | None) -> Tensor:
        noise = torch.empty_like(mu).normal_(generator=generator).mul_((0.5 * logvar).exp_())
        ctx.save_for_backward(noise)
        return mu + noise

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        (noise,) = ctx.saved_tensors
        return grad, (noise * grad).mul_(0.5), None
