"""Regularised user and film biases: the baseline that every result is compared to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.ratings import Scale

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
    user: Tensor,
    film: Tensor,
    rating: Tensor,
    n_users: int,
    n_films: int,
    *,
    user_shrinkage: float = USER_SHRINKAGE,
    film_shrinkage: float = FILM_SHRINKAGE,
) -> Biases:
    """Least squares with shrinkage, alternating between films and users.

    Args:
        user, film: (n,) indices.
        rating: (n,) stars.
        user_shrinkage, film_shrinkage: ridge penalties, equal to as many extra ratings with a
            residual of 0 per user or film.

    Source: Koren 2008, "Factorization meets the neighborhood", section 2.1.
    """
    rating = rating.double()
    mean = rating.mean()
    user_weight = torch.bincount(user, minlength=n_users) + user_shrinkage
    film_weight = torch.bincount(film, minlength=n_films) + film_shrinkage
    user_bias = torch.zeros(n_users, dtype=torch.float64, device=rating.device)
    film_bias = torch.zeros(n_films, dtype=torch.float64, device=rating.device)
    centred = rating - mean
    for _ in range(N_SWEEPS):
        film_bias = torch.bincount(film, centred - user_bias[user], n_films) / film_weight
        user_bias = torch.bincount(user, centred - film_bias[film], n_users) / user_weight
    return Biases(mean.float(), user_bias.float(), film_bias.float())
