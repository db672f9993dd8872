"""myFM: Bayesian factorisation machines, by Gibbs sampling.

The settings are those of myFM's MovieLens examples: 10 factors and 512 samples, all of them kept.
Side information follows its notebook `ml-100k-extended`, whose ordinal model has the lowest
published RMSE on fold u1 of ML-100K, 0.8808: the day of the rating, the films that a user rated,
the users that rated a film, its genres and its year. (ML-100K's users have an age, an occupation
and a zip code too.) Each kind of column is a group with its own prior.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recsys_search.data.ratings import Ratings
from scipy import sparse

RANK = 10
SAMPLES = 512
SECONDS_PER_DAY = 24 * 60 * 60


@dataclass(frozen=True)
class Columns:
    """Features of the things that a rating is about.

    Attributes:
        matrix: a row per thing.
        groups: number of columns of each group.
    """

    matrix: Any
    groups: list[int]

    @classmethod
    def join(cls, parts: list[Any]) -> Columns:
        return cls(sparse.hstack(parts, format="csr"), [part.shape[1] for part in parts])


def regression_ids(train: Ratings, asked: Ratings, seed: int) -> NDArray[Any]:
    """Users and films alone: Bayesian matrix factorisation."""
    users, films = sparse.identity(train.n_users), sparse.identity(train.n_films)
    return _regression(train, asked, seed, Columns.join([users]), Columns.join([films]), None)


def regression(train: Ratings, asked: Ratings, seed: int) -> NDArray[Any]:
    """With side information and dates."""
    return _regression(train, asked, seed, *_side_information(train))


def ordinal(train: Ratings, asked: Ratings, seed: int) -> NDArray[Any]:
    """With side information and dates, and ratings as ordered classes."""
    from myfm import MyFMOrderedProbit

    model = MyFMOrderedProbit(rank=RANK, random_seed=seed)
    levels, classes = np.unique(train.rating, return_inverse=True)
    users, films, days = _side_information(train)
    _fit(model, train, classes, users, films, days)
    return model.predict_proba(_days(asked, days), _blocks(asked, users, films)) @ levels


def _regression(
    train: Ratings, asked: Ratings, seed: int, users: Columns, films: Columns, days: Any
) -> NDArray[Any]:
    from myfm import MyFMRegressor

    model = MyFMRegressor(rank=RANK, random_seed=seed)
    _fit(model, train, train.rating.astype(np.float64), users, films, days)
    return model.predict(_days(asked, days), _blocks(asked, users, films))


def _fit(
    model: Any, train: Ratings, target: NDArray[Any], users: Columns, films: Columns, days: Any
) -> None:
    groups = [*([len(days)] if days else []), *users.groups, *films.groups]
    model.fit(
        _days(train, days),
        target,
        X_rel=_blocks(train, users, films),
        group_shapes=groups,
        n_iter=SAMPLES,
        n_kept_samples=SAMPLES,
    )


def _side_information(train: Ratings) -> tuple[Columns, Columns, Any]:
    """Features of users and films, and the encoder of days; None without times."""
    from myfm.utils.encoders import BinningEncoder, CategoryValueToSparseEncoder

    ones = np.ones(len(train))
    rated = sparse.csr_matrix(
        (ones, (train.user, train.film)), shape=(train.n_users, train.n_films)
    )
    users = [sparse.identity(train.n_users), _scaled(rated)]
    films = [sparse.identity(train.n_films)]
    year = np.where(train.films.year > 0, train.films.year, np.nan)
    if np.isfinite(year).any():
        films.append(BinningEncoder(year).to_sparse(year))
    if train.films.genre_names:
        films.append(_scaled(sparse.csr_matrix(train.films.genres.astype(float))))
    films.append(_scaled(rated.T.tocsr()))
    days = None
    if train.timestamp is not None:
        days = CategoryValueToSparseEncoder((train.timestamp // SECONDS_PER_DAY).tolist())
    return Columns.join(users), Columns.join(films), days


def _scaled(flags: Any) -> Any:
    """Each row of 0 and 1 divided by the root of its number of ones."""
    counts = np.asarray(flags.sum(axis=1)).ravel()
    return sparse.diags(1 / np.sqrt(np.maximum(counts, 1))) @ flags


def _days(ratings: Ratings, days: Any) -> Any:
    """One column per day with train ratings, and one for all other days."""
    if days is None:
        return None
    assert ratings.timestamp is not None
    return days.to_sparse((ratings.timestamp // SECONDS_PER_DAY).tolist())


def _blocks(ratings: Ratings, users: Columns, films: Columns) -> list[Any]:
    from myfm import RelationBlock

    blocks = []
    for index, columns in ((ratings.user, users), (ratings.film, films)):
        rows, position = np.unique(index, return_inverse=True)
        blocks.append(RelationBlock(position, columns.matrix[rows]))
    return blocks
