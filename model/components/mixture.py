"""The weighted mean of several models' predictions, with the interface of one model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..store.train_store import Pairs
from .forecast import Forecast, MixedForecast, weighted_mean
from .output import Output
from .rating_model import RatingModel


class Mixture(RatingModel):
    """Models that share a train store, and are trained already.

    An expected rating is the mean of the members' expected ratings, each clipped to the scale. A
    score is the mean of their scores, which are not clipped.
    """

    def __init__(self, members: Sequence[RatingModel], weights: Sequence[float]) -> None:
        """Args: weights: of the members, positive, with a sum of 1."""
        super().__init__(members[0].store)
        self.members = nn.ModuleList(members)
        self.weights = tuple(weights)
        self.leaves_one_out = all(member.leaves_one_out for member in members)
        self.scores_by_product = all(member.scores_by_product for member in members)

    def encode_store(self) -> object:
        return tuple(member.encode_store() for member in self._members)

    def forward(self, pairs: Pairs, shared: object) -> Output:
        parts = zip(self._members, cast(tuple[object, ...], shared), strict=True)
        return Output(self._mean([member(pairs, part).prediction for member, part in parts]), {})

    def fallback(self, pairs: Pairs) -> Tensor:
        return self._mean([member.fallback(pairs) for member in self._members])

    def forecast(self, pairs: Pairs) -> Forecast:
        return MixedForecast([member.forecast(pairs) for member in self._members], self.weights)

    def measure_noise(self) -> None:
        for member in self._members:
            member.measure_noise()

    @torch.no_grad()
    def score_catalogue(self, users: Tensor, cells: int = 2**23) -> Iterator[Tensor]:
        """See the base class. All members score a batch before the next."""
        batches = (member.score_catalogue(users, cells) for member in self._members)
        for scores in zip(*batches, strict=True):
            yield self._mean(scores)

    @property
    def _members(self) -> list[RatingModel]:
        return cast(list[RatingModel], list(self.members))

    def _mean(self, values: Sequence[Tensor]) -> Tensor:
        return weighted_mean(values, self.weights)
