"""What a VAE has to beat: biases, and biased matrix factorisation.

Both hold numbers of each user and film, fitted to all train ratings. There is nothing to leave out
when a train rating is predicted: their figures on train ratings are in-sample.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..components.bias_head import BiasHead, product_scores
from ..components.output import Output
from ..components.rating_model import RatingModel
from ..config import BiasesConfig, MfConfig
from ..store.bias_fit import Biases, fit_biases
from ..store.train_store import Pairs, TrainStore


class BiasModel(RatingModel):
    """prediction = mean + b_u + b_i, in closed form: `refresh` fits it."""

    scores_by_product = True

    def __init__(self, config: BiasesConfig, store: TrainStore) -> None:
        super().__init__(store)
        self.config = config
        self.mean = _fitted(())
        self.user = _fitted((store.n_users,))
        self.film = _fitted((store.n_films,))

    @property
    def biases(self) -> Biases:
        return Biases(self.mean, self.user, self.film)

    @torch.no_grad()
    def refresh(self) -> None:
        store = self.store
        fitted = fit_biases(
            store.user,
            store.film,
            store.rating,
            store.n_users,
            store.n_films,
            user_shrinkage=self.config.user_shrinkage,
            film_shrinkage=self.config.film_shrinkage,
        )
        self.mean.copy_(fitted.mean)
        self.user.copy_(fitted.user)
        self.film.copy_(fitted.film)

    def forward(self, pairs: Pairs, shared: object) -> Output:
        return Output(self.biases.predict(pairs.user, pairs.film), {})

    def fallback(self, pairs: Pairs) -> Tensor:
        """Its own biases, of what is known, whatever the baseline's shrinkage."""
        return self.biases.predict(pairs.user, pairs.film)

    def score_catalogue(self, users: Tensor, cells: int = 2**23) -> Iterator[Tensor]:
        """As the base class has it; all users have the films in the same order."""
        film = torch.arange(self.store.n_films, device=self.store.device)
        for batch in users.split(max(1, cells // self.store.n_films)):
            yield self.biases.predict(batch.unsqueeze(1), film)


class MatrixFactorisation(RatingModel):
    """prediction = mean + b_u + b_i + p_u · q_i, with `l2` · (|p_u|² + |q_i|²) on top of each
    rating's squared error.

    The biases have no part in the penalty: there it costs 0.002 of validation RMSE.

    Source: Koren, Bell & Volinsky 2009, "Matrix factorization techniques for recommender systems",
    equations 4 and 5.
    """

    scores_by_product = True

    def __init__(self, config: MfConfig, store: TrainStore) -> None:
        super().__init__(store)
        self.config = config
        self.bias = BiasHead(store)
        self.user = nn.Embedding(store.n_users, config.n_factors)
        self.film = nn.Embedding(store.n_films, config.n_factors)
        for table in (self.user, self.film):
            nn.init.normal_(table.weight, std=config.init_std)

    def forward(self, pairs: Pairs, shared: object) -> Output:
        user, film = self.user(pairs.user), self.film(pairs.film)  # (B, K)
        squares = user.square().sum(1) + film.square().sum(1)
        prediction = self.bias(pairs) + (user * film).sum(1)
        return Output(prediction, {}, self.config.l2 * squares.mean())

    @torch.no_grad()
    def score_catalogue(self, users: Tensor, cells: int = 2**23) -> Iterator[Tensor]:
        """As the base class has it, by one product."""
        return product_scores(self.store, self.bias, self.user, self.film.weight, users, cells)


def _fitted(shape: tuple[int, ...]) -> nn.Parameter:
    """Counted and saved as the model's own, and never stepped."""
    return nn.Parameter(torch.zeros(shape), requires_grad=False)
