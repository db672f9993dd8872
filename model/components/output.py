"""What a model makes of a batch of pairs. Shapes: B pairs in a batch, K latent dimensions."""

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
    """What the loss and the predictions are made of.

    Attributes:
        prediction: (B,) stars, unclipped.
        posteriors: by tower; none of a model without latents.
        penalty: (), what the model adds to the loss, as a mean over the batch.
    """

    prediction: Tensor
    posteriors: Mapping[str, Posterior]
    penalty: Tensor | float = 0.0
