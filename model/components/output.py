"""The output of a model for a batch of pairs. Shapes: B pairs, K latent dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor


class Posterior(NamedTuple):
    """q(z|x) = N(mu, exp(logvar)), both (B, K)."""

    mu: Tensor
    logvar: Tensor

    def sample(self) -> Tensor:
        """z by the reparametrisation trick (Kingma & Welling 2014, arXiv:1312.6114)."""
        return self.mu + torch.randn_like(self.mu) * (0.5 * self.logvar).exp()


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
