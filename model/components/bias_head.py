"""Learned biases, and scores of all films by biases plus a matrix product."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ..store.train_store import Pairs, TrainStore
from .rows import rows_of


class BiasHead(nn.Module):
    """The mean of the train ratings plus a learned bias of the user and one of the film."""

    mean: Tensor

    def __init__(self, store: TrainStore) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(store.mean))
        self.user = nn.Embedding(store.n_users, 1)
        self.film = nn.Embedding(store.n_films, 1)
        nn.init.zeros_(self.user.weight)
        nn.init.zeros_(self.film.weight)

    def forward(self, pairs: Pairs) -> Tensor:
        # Dense gradients: tables of one column are cheap, and large batches read most of them.
        biases = rows_of(self.user.weight, pairs.user) + rows_of(self.film.weight, pairs.film)
        return self.mean + biases.squeeze(1)


@torch.no_grad()
def product_scores(
    store: TrainStore,
    bias: BiasHead,
    user_vectors: Callable[[Tensor], Tensor],
    film_vectors: Tensor,
    users: Tensor,
    cells: int,
    known: tuple[Tensor, Tensor],
) -> Iterator[Tensor]:
    """`RatingModel.score_catalogue` for a model that predicts biases + x_u · y_i: one product.

    Args:
        user_vectors: maps users (n,) to their x (n, K).
        film_vectors: y (n_films, K).
        users: (n,) indices; -1 if the dataset does not contain it.
        known: (n_users,) and (n_films,) whether the model can predict each user and each film.
    """
    known_users, known_films = known
    film = torch.arange(store.n_films, device=store.device)
    film_bias = bias.film.weight.T  # (1, n_films)
    for batch in users.split(max(1, cells // store.n_films)):
        user = batch.clamp(min=0)
        scores = torch.addmm(bias.mean + film_bias, user_vectors(user), film_vectors.T)
        scores += bias.user(user)
        can_predict = (known_users[user] & (batch >= 0)).unsqueeze(1) & known_films
        fallback = store.biases.predict(batch.unsqueeze(1), film)
        yield torch.where(can_predict, scores, fallback)
