"""What the architectures share: a posterior, a decoder, and heads that add to its output.

    prediction = decode(z) + sum of heads,   z ~ q(z | pair, train ratings)

In train mode z is a sample. In eval mode the prediction is the mean over the posterior, for that is
the expected rating. At the posterior's mean a decoder with norm layers exaggerates, because it is
shown a z shorter than any it was trained on. Shapes: B pairs in a batch, K latent dimensions.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .likelihood import Gaussian
from .store import Pairs, TrainStore


class Posterior(NamedTuple):
    """q(z|x) = N(mu, exp(logvar)), both (B, K)."""

    mu: Tensor
    logvar: Tensor

    def sample(self) -> Tensor:
        """z by the reparametrisation trick (Kingma & Welling 2014, arXiv:1312.6114)."""
        return self.mu + torch.randn_like(self.mu) * (0.5 * self.logvar).exp()


class Output(NamedTuple):
    """Attributes: prediction: (B,) stars, unclipped; posteriors: by tower."""

    prediction: Tensor
    posteriors: Mapping[str, Posterior]


class BiasHead(nn.Module):
    """The train ratings' mean plus a learned bias of the user and one of the film."""

    mean: Tensor

    def __init__(self, store: TrainStore) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(store.mean))
        self.user = nn.Embedding(store.n_users, 1)
        self.film = nn.Embedding(store.n_films, 1)
        nn.init.zeros_(self.user.weight)
        nn.init.zeros_(self.film.weight)

    def forward(self, pairs: Pairs) -> Tensor:
        return self.mean + (self.user(pairs.user) + self.film(pairs.film)).squeeze(1)


class RatingVAE(nn.Module):
    """Base of the architectures. The store is read, never trained, and not saved with the weights.

    A head maps pairs to an addend (B,); the likelihood turns predictions into a loss and into an
    expected rating.

    Attributes:
        scores_by_product: whether `score_catalogue` is a matrix product, no net run on each pair.
    """

    scores_by_product = False

    def __init__(self, store: TrainStore) -> None:
        super().__init__()
        self.store = store
        self.heads = nn.ModuleList()
        self.likelihood = Gaussian(store.scale)

    def refresh(self) -> None:
        """Once an epoch, before its first step: renews what is derived without gradient."""

    def encode_store(self) -> object:
        """What all pairs of a step share; handed to `posteriors`. None if there is nothing."""
        return None

    @abstractmethod
    def posteriors(self, pairs: Pairs, shared: object) -> dict[str, Posterior]:
        """q(z | pair) of each tower, without a look at the pair's own rating."""

    @abstractmethod
    def decode(self, pairs: Pairs, z: Mapping[str, Tensor]) -> Tensor:
        """(B,) stars before the heads, for one z of (B, K) a tower."""

    def decode_mean(self, pairs: Pairs, posteriors: Mapping[str, Posterior]) -> Tensor:
        """(B,) E[decode(z)] over the posterior; here for a decoder linear in each tower's z."""
        return self.decode(pairs, {tower: q.mu for tower, q in posteriors.items()})

    def forward(self, pairs: Pairs, shared: object) -> Output:
        """One sample of z in train mode, the mean over z in eval mode."""
        return self.output(pairs, self.posteriors(pairs, shared))

    def output(self, pairs: Pairs, posteriors: Mapping[str, Posterior]) -> Output:
        """As `forward`, for posteriors that need not be the pairs' own."""
        if self.training:
            z = {tower: posterior.sample() for tower, posterior in posteriors.items()}
            prediction = self.decode(pairs, z).float()
        else:
            prediction = self.decode_mean(pairs, posteriors).float()
        for head in self.heads:
            prediction = prediction + head(pairs)
        return Output(prediction, posteriors)

    @torch.no_grad()
    def encode_for_eval(self) -> object:
        """What all pairs share in eval mode, into which it puts the model."""
        return self.eval().encode_store()

    @torch.no_grad()
    def outputs(
        self, pairs: Pairs, shared: object, batch_size: int = 65536
    ) -> Iterator[tuple[Pairs, Output]]:
        """Pairs batch by batch with what the model makes of them.

        Args:
            shared: of `encode_for_eval`.
        """
        for start in range(0, len(pairs), batch_size):
            batch = pairs[start : start + batch_size]
            yield batch, self(batch, shared)

    def expected(self, pairs: Pairs, output: Output) -> Tensor:
        """(B,) expected stars; a user or film without train ratings gets the bias prediction."""
        return self.likelihood.expected(self._unclipped(pairs, output))

    def predict(self, pairs: Pairs) -> Tensor:
        """(n,) expected stars. Unknown users and films (index -1) are welcome."""
        return self.likelihood.expected(self.score(pairs))

    def score(self, pairs: Pairs) -> Tensor:
        """(n,) what `predict` clips to the scale, so that a ranking has no ties at its top."""
        known = replace(pairs, user=pairs.user.clamp(min=0), film=pairs.film.clamp(min=0))
        parts = [torch.empty(0, device=self.store.device)]
        start = 0
        for batch, output in self.outputs(known, self.encode_for_eval()):
            asked = pairs[start : start + len(batch)]
            parts.append(self._unclipped(asked, output))
            start += len(batch)
        return torch.cat(parts)

    def score_catalogue(self, users: Tensor, cells: int = 2**23) -> Iterator[Tensor]:
        """(users of the batch, n_films) scores of every film, batch by batch in the users' order.

        No rating is left out: the score of a film that the user has in train has looked at it.

        Args:
            users: (n,) indices; -1 for one that the dataset does not hold.
            cells: scores at a time, which bounds the memory.
        """
        film = torch.arange(self.store.n_films, device=self.store.device)
        for batch in users.split(max(1, cells // self.store.n_films)):
            user = batch.repeat_interleave(len(film))
            row = torch.full_like(user, -1)
            scores = self.score(Pairs(user, film.repeat(len(batch)), None, row))
            yield scores.view(len(batch), len(film))

    def _unclipped(self, pairs: Pairs, output: Output) -> Tensor:
        fallback = self.store.biases.predict(pairs.user, pairs.film)
        return torch.where(self.store.knows(pairs), output.prediction, fallback)
