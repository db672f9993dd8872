"""The bias baseline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from pytest import approx
from recsys_search.model.store.bias_fit import FILM_SHRINKAGE, USER_SHRINKAGE, Biases, fit_biases
from recsys_search.model.store.grouping import Grouping
from recsys_search.model.store.train_store import Pairs, TrainStore
from recsys_search.model.training.quality import bias_rmse


def solve_directly(user, film, rating, n_users, n_films):
    """The normal equations of ridge regression: (X'X + shrinkage) b = X'(r - mean)."""
    design = np.zeros((len(rating), n_users + n_films))
    design[np.arange(len(rating)), user] = 1
    design[np.arange(len(rating)), n_users + film] = 1
    shrinkage = np.diag([USER_SHRINKAGE] * n_users + [FILM_SHRINKAGE] * n_films)
    right = design.T @ (rating - rating.mean())
    biases = np.linalg.solve(design.T @ design + shrinkage, right)
    return biases[:n_users], biases[n_users:]


def test_biases_solve_the_shrunken_least_squares(tiny_store, tiny_ratings):
    user, film = solve_directly(
        tiny_ratings.user, tiny_ratings.film, tiny_ratings.rating.astype(float), 4, 5
    )
    assert tiny_store.biases.user.numpy() == approx(user, abs=1e-4)
    assert tiny_store.biases.film.numpy() == approx(film, abs=1e-4)


def test_biases_of_many_ratings_solve_the_shrunken_least_squares(demo):
    fitted = TrainStore.build(demo, torch.device("cpu")).biases
    user, film = solve_directly(
        demo.user, demo.film, demo.rating.astype(float), demo.n_users, demo.n_films
    )
    # Ten sweeps nearly converge: hundredths of a star do not change an RMSE.
    assert fitted.user.numpy() == approx(user, abs=0.01)
    assert fitted.film.numpy() == approx(film, abs=0.01)


def test_shrinkage_divides_a_residual_between_user_and_film():
    """Two ratings, 5 and 1, without a common user or film: b_i = (2 - b_u) / (1 + 3), etc."""
    both = Grouping(torch.arange(3), torch.arange(2), torch.arange(2))
    fitted = fit_biases(torch.tensor([5.0, 1.0]), both, both)
    assert float(fitted.mean) == 3
    # 4 b_i + b_u = 2 and b_i + 6 b_u = 2.
    assert fitted.film.tolist() == approx([10 / 23, -10 / 23], abs=1e-6)
    assert fitted.user.tolist() == approx([6 / 23, -6 / 23], abs=1e-6)


def test_the_bias_without_train_ratings_is_zero(tiny_store):
    assert tiny_store.biases.user[1] == 0
    assert tiny_store.biases.film[2] == 0


def test_an_unknown_user_or_film_adds_nothing(tiny_store):
    biases = tiny_store.biases
    user, film = torch.tensor([-1, 0, -1, 0]), torch.tensor([-1, -1, 0, 0])
    mean, user_bias, film_bias = biases.mean, biases.user[0], biases.film[0]
    expected = [mean, mean + user_bias, mean + film_bias, mean + user_bias + film_bias]
    assert biases.predict(user, film).tolist() == approx([float(value) for value in expected])


def test_the_rmse_of_the_baseline_is_of_clipped_predictions(tiny_store):
    """A mean of 0 is clipped to half a star."""
    store = replace(tiny_store, biases=Biases(torch.tensor(0.0), torch.zeros(4), torch.zeros(5)))
    pairs = Pairs(torch.tensor([0, 1]), torch.tensor([0, 1]), None, torch.tensor([-1, -1]))
    # Errors of 1 and 2 stars.
    assert bias_rmse(store, pairs, torch.tensor([1.5, 2.5])) == approx(2.5**0.5)
