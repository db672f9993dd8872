"""The simplest baseline: biases of users and films, fitted in closed form.

The fit uses all train ratings, so errors on train ratings are in-sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from ...base.strict import Positive
from ..components.output import Output
from ..components.rating_model import RatingModel
from ..config import STRICT, TrainingConfig
from ..store.bias_fit import FILM_SHRINKAGE, USER_SHRINKAGE, Biases, fit_biases
from ..store.train_store import Pairs, TrainStore
from .table import Architecture


@dataclass(frozen=True, kw_only=True, config=STRICT)
class BiasesConfig(TrainingConfig):
    """Regularised biases of users and films."""

    seed_noise: ClassVar[float] = 0.0

    architecture: Literal["biases"] = "biases"
    user_shrinkage: Positive = (
        USER_SHRINKAGE  # a user with this many ratings gets half of their mean deviation
    )
    film_shrinkage: Positive = FILM_SHRINKAGE


class BiasModel(RatingModel):
    """prediction = mean + b_u + b_i. `refresh` fits it in closed form."""

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
            store.rating,
            store.by_user,
            store.by_film,
            user_shrinkage=self.config.user_shrinkage,
            film_shrinkage=self.config.film_shrinkage,
        )
        self.mean.copy_(fitted.mean)
        self.user.copy_(fitted.user)
        self.film.copy_(fitted.film)

    def forward(self, pairs: Pairs, shared: object) -> Output:
        return Output(self.biases.predict(pairs.user, pairs.film), {})

    def fallback(self, pairs: Pairs) -> Tensor:
        """The known biases of the pair, with this config's shrinkage instead of the baseline's."""
        return self.biases.predict(pairs.user, pairs.film)

    def score_catalogue(self, users: Tensor, cells: int = 2**23) -> Iterator[Tensor]:
        """See the base class. The order of the films is the same for all users."""
        film = torch.arange(self.store.n_films, device=self.store.device)
        for batch in users.split(max(1, cells // self.store.n_films)):
            yield self.biases.predict(batch.unsqueeze(1), film)


def _fitted(shape: tuple[int, ...]) -> nn.Parameter:
    """A parameter that is counted and saved, but not trained by gradient descent."""
    return nn.Parameter(torch.zeros(shape), requires_grad=False)


ARCHITECTURE = Architecture(
    config=BiasesConfig,
    model=BiasModel,
    default_space={
        "user_shrinkage": {"float": [0.5, 50], "log": True},
        "film_shrinkage": {"float": [0.5, 50], "log": True},
    },
)
