"""Biased matrix factorisation, a baseline for the VAEs.

It is fitted to all train ratings, so errors on train ratings are in-sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from ...base.strict import Count, NonNegative, Positive
from ..components.bias_head import BiasHead, product_scores
from ..components.output import Output
from ..components.rating_model import RatingModel
from ..config import STRICT, DescentConfig, Width
from ..store.train_store import Pairs, TrainStore
from .memory import DataSizes, MemoryNeed, descent_need
from .table import Architecture


@dataclass(frozen=True, kw_only=True, config=STRICT)
class MfConfig(DescentConfig):
    """Biased matrix factorisation."""

    seed_noise: ClassVar[float] = 0.002

    architecture: Literal["mf"] = "mf"
    max_epochs: Count = 20
    learning_rate: Positive = 5e-3
    n_factors: Width = 64  # length of each user's and each film's vector
    l2: NonNegative = 0.1  # weight of both vectors' squared lengths, per rating
    init_std: Positive = 0.03


class MatrixFactorisation(RatingModel):
    """prediction = mean + b_u + b_i + p_u · q_i, with the penalty `l2` · (|p_u|² + |q_i|²) added to
    the squared error of each rating.

    The biases are not penalised: that would cost 0.002 of validation RMSE.

    Source: Koren, Bell & Volinsky 2009, "Matrix factorization techniques for recommender systems",
    equations 4 and 5.
    """

    scores_by_product = True
    repeats_steps = True

    def __init__(self, config: MfConfig, store: TrainStore) -> None:
        super().__init__(store)
        self.config = config
        self.bias = BiasHead(store)
        self.user = nn.Embedding(store.n_users, config.n_factors, sparse=True)
        self.film = nn.Embedding(store.n_films, config.n_factors, sparse=True)
        for table in (self.user, self.film):
            nn.init.normal_(table.weight, std=config.init_std)

    def forward(self, pairs: Pairs, shared: object) -> Output:
        user, film = self.user(pairs.user), self.film(pairs.film)  # (B, K)
        squares = user.square().sum(1) + film.square().sum(1)
        prediction = self.bias(pairs) + (user * film).sum(1)
        return Output(prediction, {}, self.config.l2 * squares.mean())

    @torch.no_grad()
    def score_catalogue(self, users: Tensor, cells: int = 2**23) -> Iterator[Tensor]:
        """See the base class; one matrix product."""
        known = self.store.have_ratings
        return product_scores(
            self.store, self.bias, self.user, self.film.weight, users, cells, known
        )


def memory(config: MfConfig, sizes: DataSizes) -> MemoryNeed:
    """What training takes; see `memory.py`."""
    n_weights = (sizes.n_users + sizes.n_films) * (config.n_factors + 1)
    return descent_need(sizes, n_weights, 9 * config.n_factors + 32, 4 * config.n_factors + 32)


ARCHITECTURE = Architecture(
    config=MfConfig,
    model=MatrixFactorisation,
    memory=memory,
    default_space={
        "n_factors": {"int": [16, 128], "step": 16},
        "learning_rate": {"float": [1e-3, 2e-2], "log": True},
        "l2": {"float": [0.01, 1], "log": True},
        "batch_size": {"choice": [512, 1024, 2048, 4096]},
        "init_std": {"float": [0.01, 0.1], "log": True},
    },
)
