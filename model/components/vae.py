"""The base class of VAEs: a posterior, a decoder, and heads that add to its output.

    prediction = decode(z) + sum of heads,   z ~ q(z | pair, train ratings)

In train mode z is a sample. In eval mode the prediction is the mean over the posterior, and the
likelihood turns it into an expected rating. Decoding the posterior's mean instead exaggerates with
norm layers, because that z is shorter than any in training. Shapes: B pairs in a batch, K latent
dimensions.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..store.train_store import Pairs, TrainStore
from .likelihoods.table import build_likelihood
from .output import Output, Posterior
from .rating_model import RatingModel


class RatingVAE(RatingModel):
    """Base of the VAEs. A head maps pairs to a summand (B,)."""

    def __init__(self, store: TrainStore, likelihood: str) -> None:
        """
        Raises:
            ConfigError: the likelihood does not suit the train ratings.
        """
        super().__init__(store)
        self.likelihood = build_likelihood(likelihood, store)
        self.heads = nn.ModuleList()

    @abstractmethod
    def posteriors(self, pairs: Pairs, shared: object) -> dict[str, Posterior]:
        """q(z | pair) of each tower, without use of the pair's own rating."""

    @abstractmethod
    def decode(self, pairs: Pairs, z: Mapping[str, Tensor]) -> Tensor:
        """(B,) stars before the heads, for one z (B, K) per tower."""

    def decode_mean(self, pairs: Pairs, posteriors: Mapping[str, Posterior]) -> Tensor:
        """(B,) E[decode(z)] over the posterior; exact for a decoder linear in each tower's z."""
        return self.decode(pairs, {tower: q.mu for tower, q in posteriors.items()})

    def forward(self, pairs: Pairs, shared: object) -> Output:
        """One sample of z in train mode, the mean over z in eval mode."""
        return self.output(pairs, self.posteriors(pairs, shared))

    def added(self, pairs: Pairs) -> Tensor:
        """(B,) stars that the heads add to the decoder's output."""
        total = torch.zeros(len(pairs), device=pairs.user.device)
        for head in self.heads:
            total = total + head(pairs)
        return total

    def output(
        self, pairs: Pairs, posteriors: Mapping[str, Posterior], added: Tensor | None = None
    ) -> Output:
        """Like `forward`, for given posteriors, which may be those of other pairs.

        Args:
            added: the result of `added`, if the caller has it: it does not depend on posteriors.
        """
        if self.training:
            z = {tower: posterior.sample() for tower, posterior in posteriors.items()}
            prediction = self.decode(pairs, z).float()
        else:
            prediction = self.decode_mean(pairs, posteriors).float()
        return Output(prediction + (self.added(pairs) if added is None else added), posteriors)
