"""Regularised user and film biases: the baseline that every result is compared to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.ratings import Scale
from .grouping import Grouping

# The best of a grid on the validation split of ml-latest-small.
USER_SHRINKAGE = 5.0
FILM_SHRINKAGE = 3.0
N_SWEEPS = 10


@dataclass(frozen=True)
class Biases:
    """The prediction mean + user + film.

    Attributes:
        mean: () mean of the train ratings.
        user: (n_users,), 0 for a user without train ratings.
        film: (n_films,), 0 for a film without train ratings.
    """

    mean: Tensor
    user: Tensor
    film: Tensor

    def predict(self, user: Tensor, film: Tensor) -> Tensor:
        """(batch,) stars, not clipped to the scale; index -1 is an unknown user or film."""
        user_bias = torch.where(user >= 0, self.user[user], 0.0)
        film_bias = torch.where(film >= 0, self.film[film], 0.0)
        return self.mean + user_bias + film_bias

    def rmse(self, user: Tensor, film: Tensor, rating: Tensor, scale: Scale) -> float:
        """RMSE on (n,) ratings, clipped to the scale like every model's predictions."""
        predicted = self.predict(user, film).clamp(*scale)
        return float((predicted - rating).double().square().mean().sqrt())


def fit_biases(
    rating: Tensor,
    by_user: Grouping,
    by_film: Grouping,
    *,
    user_shrinkage: float = USER_SHRINKAGE,
    film_shrinkage: float = FILM_SHRINKAGE,
) -> Biases:
    """Least squares with shrinkage, alternating between films and users.

    Args:
        rating: (n,) stars.
        user_shrinkage, film_shrinkage: ridge penalties, equal to as many extra ratings with a
            residual of 0 per user or film.

    Source: Koren 2008, "Factorization meets the neighborhood", section 2.1.
    """
    rating = rating.double()
    mean = rating.mean()
    n_users, n_films = len(by_user.counts), len(by_film.counts)
    user_weight, film_weight = by_user.counts + user_shrinkage, by_film.counts + film_shrinkage
    centred = rating - mean
    one_per_user, one_per_film = rating.new_ones(n_users), rating.new_ones(n_films)
    user_sums = _product(by_user.matrix(centred[by_user.rows], n_films), one_per_film)
    film_sums = _product(by_film.matrix(centred[by_film.rows], n_users), one_per_user)
    # Products, because an array of a residual per rating takes several times as long to write.
    is_rated = torch.ones_like(rating)
    films_of_user = by_user.matrix(is_rated, n_films)
    users_of_film = by_film.matrix(is_rated, n_users)
    user_bias = rating.new_zeros(n_users)
    for _ in range(N_SWEEPS):
        film_bias = (film_sums - _product(users_of_film, user_bias)) / film_weight
        user_bias = (user_sums - _product(films_of_user, film_bias)) / user_weight
    return Biases(mean.float(), user_bias.float(), film_bias.float())


def _product(matrix: Tensor, vector: Tensor) -> Tensor:
    # As a matrix of one column: torch multiplies a vector on a CPU only where it has Intel's MKL.
    return (matrix @ vector.unsqueeze(1)).squeeze(1)
