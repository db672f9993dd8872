"""What users and films add to parameters that all share, with a Gaussian prior."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# AdamW moves a weight by about the learning rate per step, whatever the gradient. What a likelihood
# learns is its weights times this factor, so that it gets far enough in a short training.
GAIN = 5.0


class Offsets(nn.Module):
    """Numbers of each user or film, initially 0.

    Their prior is Gaussian with mean 0, so they are small where there are few ratings; the
    optimiser's weight decay makes them a little smaller still. They are trained weights, like a
    learned bias: a prediction reads no rating through them. Shapes: B pairs, W offsets of each.
    """

    def __init__(self, counts: Tensor, width: int, prior_std: float) -> None:
        """Args: counts: (n,) train ratings of each user or film."""
        super().__init__()
        self._counts = counts
        self._prior_std = prior_std
        # Without random draws, so that a seed gives the same model with any likelihood.
        zeros = torch.zeros(len(counts), width)
        self.table = nn.Embedding.from_pretrained(zeros, freeze=False, sparse=True)

    def forward(self, index: Tensor) -> Tensor:
        """(B, W); 0 where the index is -1."""
        return GAIN * self.table(index.clamp(min=0)) * (index >= 0).unsqueeze(1)

    def cost(self, index: Tensor) -> Tensor:
        """() minus the log density of the prior up to a constant, in nats per rating.

        Each rating bears its share of the cost of its user's or film's offsets, so that over all
        train ratings every offset costs what the prior says.
        """
        squares = self(index).square().sum(1) / (2 * self._prior_std**2)
        return (squares / self._counts[index].clamp(min=1)).mean()
