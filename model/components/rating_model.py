"""What every model of ratings can be asked for: expected ratings, and scores to rank films by."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..store.train_store import Pairs, TrainStore
from .likelihood import Gaussian
from .output import Output

# Pairs at a time without gradient. A GPU wants many; on a CPU what a layer hands on shall stay in
# the cache: that takes a quarter off the time (docs/speed.md).
EVAL_BATCH = {"cuda": 65536, "cpu": 2048}


class RatingModel(nn.Module):
    """Base of the architectures. The store is read, never trained, and not saved with the weights.

    The likelihood turns predictions into a loss and into an expected rating. Shapes: B pairs in a
    batch.

    Attributes:
        scores_by_product: whether `score_catalogue` is a matrix product, no net run on each pair.
    """

    scores_by_product = False

    def __init__(self, store: TrainStore) -> None:
        super().__init__()
        self.store = store
        self.likelihood = Gaussian(store.scale)

    def refresh(self) -> None:
        """Once an epoch, before its first step: renews what is derived without gradient."""

    def encode_store(self) -> object:
        """What all pairs of a step share; handed to `forward`. None if there is nothing."""
        return None

    @abstractmethod
    def forward(self, pairs: Pairs, shared: object) -> Output:
        """What the model makes of the pairs, by indices that the dataset holds."""

    def fallback(self, pairs: Pairs) -> Tensor:
        """(B,) stars where the user or the film has no train ratings, or is unknown (-1)."""
        return self.store.biases.predict(pairs.user, pairs.film)

    @torch.no_grad()
    def encode_for_eval(self) -> object:
        """What all pairs share in eval mode, into which it puts the model."""
        return self.eval().encode_store()

    @torch.no_grad()
    def outputs(self, pairs: Pairs, shared: object) -> Iterator[tuple[Pairs, Output]]:
        """Pairs batch by batch with what the model makes of them.

        Args:
            shared: of `encode_for_eval`.
        """
        batch_size = EVAL_BATCH[self.store.device.type]
        for start in range(0, len(pairs), batch_size):
            batch = pairs[start : start + batch_size]
            yield batch, self(batch, shared)

    def expected(self, pairs: Pairs, output: Output) -> Tensor:
        """(B,) expected stars; a user or film without train ratings gets the fallback."""
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
        return torch.where(self.store.knows(pairs), output.prediction, self.fallback(pairs))
