"""LensKit's explicit ALS, and its implicit ALS and EASE, which rank films."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recsys_search.data.ratings import Ratings


def biased_als(train: Ratings, asked: Ratings, seed: int) -> NDArray[Any]:
    """(n,) predictions of LensKit's rating pipeline, whose bias model predicts unknown films."""
    from lenskit.als import BiasedMFScorer
    from lenskit.data import ItemList
    from lenskit.operations import predict
    from lenskit.pipeline import predict_pipeline
    from lenskit.training import TrainingOptions

    _limit_threads()
    pipeline = predict_pipeline(BiasedMFScorer())
    pipeline.train(_dataset(train), TrainingOptions(rng=seed))
    predicted = np.full(len(asked), np.nan)
    for user in np.unique(asked.user):
        rows = np.flatnonzero(asked.user == user)
        films = ItemList(item_ids=asked.film[rows])
        predicted[rows] = predict(pipeline, int(user), films).scores()
    return predicted


def implicit_als(train: Ratings, seed: int) -> NDArray[Any]:
    """(n_users, n_films) scores of weighted matrix factorisation (Hu, Koren & Volinsky 2008)."""
    from lenskit.als import ImplicitMFScorer

    scorer = _trained(ImplicitMFScorer(), train, seed)
    films, users = scorer.items.ids(), scorer.users.ids()
    return _whole(train, users, films, scorer.user_embeddings @ scorer.item_embeddings.T)


def ease(train: Ratings, seed: int) -> NDArray[Any]:
    """(n_users, n_films) scores of EASE (Steck 2019) with LensKit's default, lambda 1."""
    return _ease(train, seed, regularization=1.0)


def ease_500(train: Ratings, seed: int) -> NDArray[Any]:
    """(n_users, n_films) scores of EASE with lambda 500, the paper's value for ML-20M."""
    return _ease(train, seed, regularization=500.0)


def _ease(train: Ratings, seed: int, regularization: float) -> NDArray[Any]:
    from lenskit.knn import EASEScorer

    scorer = _trained(EASEScorer(regularization=regularization), train, seed)
    films = scorer.items.ids()
    rated = np.zeros((train.n_users, train.n_films), dtype=np.float32)
    rated[train.user, train.film] = 1.0
    users = np.arange(train.n_users)
    return _whole(train, users, films, rated[:, films] @ scorer.weights)


def _trained(scorer: Any, train: Ratings, seed: int) -> Any:
    from lenskit.training import TrainingOptions

    _limit_threads()
    scorer.train(_dataset(train), TrainingOptions(rng=seed))
    return scorer


def _whole(
    train: Ratings, users: NDArray[Any], films: NDArray[Any], scores: NDArray[Any]
) -> NDArray[Any]:
    """The scores of all users and films; 0 for those without train ratings."""
    whole = np.zeros((train.n_users, train.n_films), dtype=np.float32)
    whole[np.ix_(users, films)] = scores
    return whole


def _dataset(train: Ratings) -> Any:
    import pandas as pd
    from lenskit.data import from_interactions_df

    columns = {"user_id": train.user, "item_id": train.film, "rating": train.rating}
    return from_interactions_df(pd.DataFrame(columns))


@cache
def _limit_threads() -> None:
    """Give LensKit as many threads as torch has. It takes the number once per process."""
    from lenskit.parallel import initialize

    threads = torch.get_num_threads()
    initialize(processes=1, threads=threads, backend_threads=threads)
