"""Full-catalogue figures of each user, for our models and for given scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recsys_search.data.ratings import Ratings
from recsys_search.model.components.output import Output
from recsys_search.model.components.rating_model import RatingModel
from recsys_search.model.evaluation.ranking import full_catalogue
from recsys_search.model.store.train_store import Pairs, TrainStore
from torch import Tensor

FIGURES = ("ndcg", "precision", "recall")

PerUser = dict[str, NDArray[np.float64]]  # figure -> (users,)


class ScoreMatrix(RatingModel):
    """A model whose scores are given, (n_users, n_films)."""

    scores_by_product = True

    def __init__(self, store: TrainStore, scores: Tensor) -> None:
        super().__init__(store)
        self.scores = scores

    def forward(self, pairs: Pairs, shared: object) -> Output:
        return Output(self.scores[pairs.user, pairs.film], {})

    def score_catalogue(self, users: Tensor, cells: int = 2**23) -> Iterator[Tensor]:
        for batch in users.split(max(1, cells // self.store.n_films)):
            yield self.scores[batch]


def score_matrix(model: RatingModel) -> ScoreMatrix:
    """The scores of a model for all users and films."""
    users = torch.arange(model.store.n_users, device=model.store.device)
    with torch.no_grad():
        return ScoreMatrix(model.store, torch.cat(list(model.score_catalogue(users))))


def rank_users(model: ScoreMatrix, part: Ratings) -> tuple[PerUser, PerUser]:
    """`full_catalogue` of each user with a relevant film: the model's figures, and random's.

    Both are in the order of the users' indices.
    """
    ours: dict[str, list[float]] = {figure: [] for figure in FIGURES}
    by_chance: dict[str, list[float]] = {figure: [] for figure in FIGURES}
    for user in np.unique(part.user):
        measured: dict[str, Any] = full_catalogue(model, part.take(part.user == user))
        if not measured["users"]:
            continue
        for figure in FIGURES:
            ours[figure].append(measured[figure])
            by_chance[figure].append(measured["random"][figure])
    return (
        {figure: np.array(values) for figure, values in ours.items()},
        {figure: np.array(values) for figure, values in by_chance.items()},
    )
