"""The base class of models: expected ratings, and scores to rank films by."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..store.threads import map_on_threads
from ..store.train_store import Pairs, TrainStore
from .forecast import Forecast, ModelForecast
from .likelihoods.likelihood import Likelihood, Mse
from .output import Output

# Pairs per batch without gradient. A GPU needs many; on a CPU the activations should fit into the
# cache, which saves a quarter of the time (docs/speed.md).
EVAL_BATCH_SIZE = {"cuda": 65536, "cpu": 2048}
NOISE_ROWS = 20_000  # of the train ratings; the standard error of a standard deviation is 0.5%


class RatingModel(nn.Module):
    """Base of the architectures. The store is not trained and not saved with the weights.

    The likelihood turns predictions into a loss, expected ratings and probabilities. Shapes: B
    pairs in a batch.

    Attributes:
        leaves_one_out: whether a train rating has no effect on its own prediction, with weights and
            mean held.
        generator: of the draws in `forward`; torch's global one if it is None.
        scores_by_product: whether `score_catalogue` is a matrix product rather than a network that
            runs on each pair.
        repeats_steps: whether each training step does the same work on the same tensors, so that a
            GPU can repeat a recorded one: `refresh` replaces none that a step reads, shapes depend
            on nothing but the batch's, and nothing is read from the device.
    """

    generator: torch.Generator | None = None
    leaves_one_out = False
    scores_by_product = False
    repeats_steps = False

    def __init__(self, store: TrainStore) -> None:
        super().__init__()
        self.store = store
        self.likelihood: Likelihood = Mse(store)

    @property
    def pairs_at_once(self) -> int | None:
        """Pairs whose gradient a step computes at a time; None for all of the batch, of which the
        model needs statistics.
        """
        return None

    def renew(self) -> None:
        """Update what depends on the weights alone, before they are used for predictions."""

    def refresh(self) -> None:
        """Update what is derived without gradient. Called before the first step of each epoch."""

    @property
    def epoch_state(self) -> dict[str, Tensor]:
        """What `refresh` has computed from weights that have changed since; can be set."""
        return {}

    @epoch_state.setter
    def epoch_state(self, state: dict[str, Tensor]) -> None: ...

    def encode_store(self) -> object:
        """A computation that all pairs of a step share, an argument of `forward`; None if none."""
        return None

    @abstractmethod
    def forward(self, pairs: Pairs, shared: object) -> Output:
        """The output for pairs whose indices are all in the dataset."""

    def can_predict(self, pairs: Pairs) -> Tensor:
        """(B,) whether the model knows enough of the pair; the fallback predicts the others."""
        return self.store.are_known(pairs)

    def fallback(self, pairs: Pairs) -> Tensor:
        """(B,) stars for a user or film without train ratings, or unknown (-1)."""
        return self.store.biases.predict(pairs.user, pairs.film)

    @torch.no_grad()
    def encode_for_eval(self) -> object:
        """Switch to eval mode and compute what all pairs share."""
        self.eval()
        self.renew()
        return self.encode_store()

    @torch.no_grad()
    def outputs(self, pairs: Pairs, shared: object) -> Iterator[tuple[Pairs, Output]]:
        """The pairs in batches, each with its output.

        Args:
            shared: the result of `encode_for_eval`.
        """
        size = EVAL_BATCH_SIZE[self.store.device.type]
        starts = range(0, len(pairs), size)

        def batch_and_output(start: int) -> tuple[Pairs, Output]:
            batch = pairs[start : start + size]
            return batch, self(batch, shared)

        yield from map_on_threads(batch_and_output, starts, self.store.device)

    def expected(self, pairs: Pairs, output: Output) -> Tensor:
        """(B,) expected stars; the fallback's where the model cannot predict."""
        return self.likelihood.expected(self.unclipped(pairs, output))

    def predict(self, pairs: Pairs) -> Tensor:
        """(n,) expected stars. Users and films may be unknown (index -1)."""
        return self.forecast(pairs).expected

    def forecast(self, pairs: Pairs) -> Forecast:
        """Scores, expected stars and distributions, at the cost of the scores."""
        return ModelForecast(self.likelihood, pairs, self.score(pairs))

    def measure_noise(self) -> None:
        """Measure the noise of a likelihood that does not learn it, on train ratings.

        Does nothing if a train rating has an effect on its own prediction.
        """
        if not (self.leaves_one_out and isinstance(self.likelihood, Mse)):
            return
        store = self.store
        step = max(1, len(store) // NOISE_ROWS)
        rows = torch.arange(0, len(store), step, device=store.device)
        error = self.predict(store.pairs(rows)).double() - store.rating[rows].double()
        self.likelihood.measured_std = float(error.square().mean().sqrt())

    def score(self, pairs: Pairs) -> Tensor:
        """(n,) expected stars before clipping, so that a ranking has no ties at the top."""
        in_range = replace(pairs, user=pairs.user.clamp(min=0), film=pairs.film.clamp(min=0))
        parts = [torch.empty(0, device=self.store.device)]
        start = 0
        for batch, output in self.outputs(in_range, self.encode_for_eval()):
            original = pairs[start : start + len(batch)]
            parts.append(self.unclipped(original, output))
            start += len(batch)
        return torch.cat(parts)

    def score_catalogue(self, users: Tensor, cells: int = 2**23) -> Iterator[Tensor]:
        """(batch of users, n_films) scores of every film, in batches in the order of the users.

        No rating is left out: the score of a film that the user has rated in train depends on that
        rating.

        Args:
            users: (n,) indices; -1 if the dataset does not contain it.
            cells: maximum number of scores per batch, which bounds the memory.
        """
        film = torch.arange(self.store.n_films, device=self.store.device)
        for batch in users.split(max(1, cells // self.store.n_films)):
            user = batch.repeat_interleave(len(film))
            row = torch.full_like(user, -1)
            scores = self.score(Pairs(user, film.repeat(len(batch)), None, row))
            yield scores.view(len(batch), len(film))

    def unclipped(self, pairs: Pairs, output: Output) -> Tensor:
        """(B,) stars before clipping; the fallback's where the model cannot predict."""
        return torch.where(self.can_predict(pairs), output.prediction, self.fallback(pairs))
