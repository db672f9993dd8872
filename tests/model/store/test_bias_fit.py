"""The bias baseline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from pytest import approx
from recsys_search.model.store.bias_fit import FILM_SHRINKAGE, USER_SHRINKAGE, Biases, fit_biases
from recsys_search.model.store.train_store import Pairs
from recsys_search.model.training.training import bias_rmse


def solved_at_once(user, film, rating, n_users, n_films):
    """The ridge regression's normal equations: (X'X + shrinkage) b = X'(r - mean)."""
    design = np.zeros((len(rating), n_users + n_films))
    design[np.arange(len(rating)), user] = 1
    design[np.arange(len(rating)), n_users + film] = 1
    shrinkage = np.diag([USER_SHRINKAGE] * n_users + [FILM_SHRINKAGE] * n_films)
    right = design.T @ (rating - rating.mean())
    biases = np.linalg.solve(design.T @ design + shrinkage, right)
    return biases[:n_users], biases[n_users:]


def test_biases_solve_the_shrunken_least_squares(few, few_ratings):
    user, film = solved_at_once(
        few_ratings.user, few_ratings.film, few_ratings.rating.astype(float), 4, 5
    )
    assert few.biases.user.numpy() == approx(user, abs=1e-4)
    assert few.biases.film.numpy() == approx(film, abs=1e-4)


def test_biases_of_many_ratings_solve_the_shrunken_least_squares(demo):
    fitted = fit_biases(
        *(torch.from_numpy(column) for column in (demo.user, demo.film, demo.rating)),
        demo.n_users,
        demo.n_films,
    )
    user, film = solved_at_once(
        demo.user, demo.film, demo.rating.astype(float), demo.n_users, demo.n_films
    )
    # Ten sweeps are nearly there: hundredths of a star do not show in an RMSE.
    assert fitted.user.numpy() == approx(user, abs=0.01)
    assert fitted.film.numpy() == approx(film, abs=0.01)


def test_one_users_one_film_shares_the_surprise_by_shrinkage():
    """Two ratings, 5 and 1, no user or film in common: b_i = 2 - b_u over 1 + 3, and so on."""
    fitted = fit_biases(torch.arange(2), torch.arange(2), torch.tensor([5.0, 1.0]), 2, 2)
    assert float(fitted.mean) == 3
    # 4 b_i + b_u = 2 and b_i + 6 b_u = 2.
    assert fitted.film.tolist() == approx([10 / 23, -10 / 23], abs=1e-6)
    assert fitted.user.tolist() == approx([6 / 23, -6 / 23], abs=1e-6)


def test_no_train_rating_no_bias(few):
    assert few.biases.user[1] == 0
    assert few.biases.film[2] == 0


def test_an_unknown_user_or_film_adds_nothing(few):
    biases = few.biases
    user, film = torch.tensor([-1, 0, -1, 0]), torch.tensor([-1, -1, 0, 0])
    mean, user_bias, film_bias = biases.mean, biases.user[0], biases.film[0]
    expected = [mean, mean + user_bias, mean + film_bias, mean + user_bias + film_bias]
    assert biases.predict(user, film).tolist() == approx([float(value) for value in expected])


def test_the_baselines_rmse_is_of_predictions_on_the_scale(few):
    """A mean of 0 is clipped to half a star."""
    store = replace(few, biases=Biases(torch.tensor(0.0), torch.zeros(4), torch.zeros(5)))
    pairs = Pairs(torch.tensor([0, 1]), torch.tensor([0, 1]), None, torch.tensor([-1, -1]))
    # Errors of 1 and 2 stars.
    assert bias_rmse(store, pairs, torch.tensor([1.5, 2.5])) == approx(2.5**0.5)
