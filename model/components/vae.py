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
from .neighbours.features import Residuals
from .neighbours.head import NeighbourHead
from .output import Output, Posterior
from .rating_model import RatingModel

# Weight of the losses of parts that are trained separately from the model, such as the neighbour
# head. Gradients are clipped together, so a large weight would shrink the model's gradient. A small
# one costs these parts nothing: AdamW steps as far for a small gradient as for a large one.
PENALTY_WEIGHT = 0.03


class RatingVAE(RatingModel):
    """Base of the VAEs. A head maps pairs to a summand (B,).

    Attributes:
        neighbours: corrects predictions by the residuals of ratings near in time, or None. It is
            not part of what the model is trained to predict; see `neighbours/head.py`.
    """

    neighbours: NeighbourHead | None

    def __init__(self, store: TrainStore, likelihood: str) -> None:
        """
        Raises:
            ConfigError: the likelihood does not suit the train ratings.
        """
        super().__init__(store)
        self.likelihood = build_likelihood(likelihood, store)
        self.heads = nn.ModuleList()
        self.neighbours = None
        self._is_renewed = False  # whether the residuals are those of the present weights

    def add_neighbours(self, mode: str) -> None:
        """Add a neighbour head, if the dataset has times. Args: mode: off, past or both."""
        assert mode != "auto", "decided by the config's `for_split`"
        if mode != "off" and self.store.timestamp is not None:
            self.neighbours = NeighbourHead(self.store, past=mode == "past")

    def residuals(self) -> Residuals:
        """What the model, in eval mode and without neighbours, leaves unexplained of train ratings.

        Called without gradient, and only if there are neighbours.
        """
        raise NotImplementedError

    def restored_residuals(self, state: Mapping[str, Tensor]) -> Residuals:
        """Residuals of an earlier moment. Args: state: theirs, on the store's device."""
        raise NotImplementedError

    @torch.no_grad()
    def renew(self) -> None:
        """Compute the residuals of the train ratings."""
        if self.neighbours is None:
            return
        was_training = self.training
        self.eval()
        self.neighbours.residuals = self.residuals()
        self.train(was_training)
        self._is_renewed = True

    def refresh(self) -> None:
        """Renew the residuals, unless they are of the present weights."""
        if not self._is_renewed:
            self.renew()
        self._is_renewed = False  # the steps that follow change the weights

    @property
    def epoch_state(self) -> dict[str, Tensor]:
        residuals = self.neighbours and self.neighbours.residuals
        return residuals.state if residuals else {}

    @epoch_state.setter
    def epoch_state(self, state: dict[str, Tensor]) -> None:
        if state and self.neighbours is not None:
            on_device = {name: value.to(self.store.device) for name, value in state.items()}
            self.neighbours.residuals = self.restored_residuals(on_device)

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
        output = self.output(pairs, self.posteriors(pairs, shared))
        if self.neighbours is None or not self.training:
            return output
        return output._replace(penalty=PENALTY_WEIGHT * self.neighbours.loss(pairs))

    def added(self, pairs: Pairs) -> Tensor:
        """(B,) stars that are added to the decoder's output."""
        offsets = self.offsets(pairs)
        if self.neighbours is None or self.training:
            return offsets
        return offsets + self.neighbours(pairs)

    def offsets(self, pairs: Pairs) -> Tensor:
        """(B,) sum of the heads."""
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
            z = {tower: posterior.sample(self.generator) for tower, posterior in posteriors.items()}
            prediction = self.decode(pairs, z).float()
        else:
            prediction = self.decode_mean(pairs, posteriors).float()
        return Output(prediction + (self.added(pairs) if added is None else added), posteriors)
