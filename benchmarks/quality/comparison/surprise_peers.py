"""Surprise's matrix factorisations, with its defaults: its docs recommend no others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from recsys_search.data.ratings import Ratings


def svd(train: Ratings, asked: Ratings, seed: int) -> NDArray[Any]:
    """Biased matrix factorisation by SGD: 100 factors, 20 epochs."""
    from surprise import SVD

    return _predict(SVD(random_state=seed), train, asked)


def svd_plus_plus(train: Ratings, asked: Ratings, seed: int) -> NDArray[Any]:
    """SVD++ (Koren 2008): 20 factors, 20 epochs."""
    from surprise import SVDpp

    return _predict(SVDpp(random_state=seed, cache_ratings=True), train, asked)


def _predict(algorithm: Any, train: Ratings, asked: Ratings) -> NDArray[Any]:
    """(n,) predictions; a user or film without train ratings gets what is known of its biases."""
    import pandas as pd
    from surprise import Dataset, Reader

    columns = {"user": train.user, "film": train.film, "rating": train.rating.astype(float)}
    reader = Reader(rating_scale=(train.scale.low, train.scale.high))
    data = Dataset.load_from_df(pd.DataFrame(columns), reader)
    algorithm.fit(data.build_full_trainset())
    pairs = zip(asked.user.tolist(), asked.film.tolist(), strict=True)
    return np.array([algorithm.predict(user, film).est for user, film in pairs])
