"""Generated ratings: their shape, and that there is something to learn from them."""

from __future__ import annotations

from functools import cache
from math import sqrt

import numpy as np
import pytest
from pytest import approx
from recsys_search.data.demo import _NOISE_SD, _rounded_variance, demo_ratings
from recsys_search.data.ratings import Ratings
from recsys_search.errors import DataError


@cache
def demo() -> Ratings:
    return demo_ratings()


def test_the_defaults_are_of_movielens_size():
    ratings = demo()
    assert (ratings.name, len(ratings), ratings.n_users) == ("demo", 100_000, 1_000)
    assert 1_900 < ratings.n_films <= 2_000
    assert ratings.scale == (0.5, 5)


def test_ratings_are_half_stars():
    assert np.unique(demo().rating).tolist() == [0.5 * k for k in range(1, 11)]


def test_no_pair_comes_twice_and_pairs_are_sorted():
    pair = demo().user * demo().n_films + demo().film
    assert (np.diff(pair) > 0).all()


def test_indices_cover_every_user_and_film():
    assert np.unique(demo().user).tolist() == list(range(demo().n_users))
    assert np.unique(demo().film).tolist() == list(range(demo().n_films))


def test_few_users_and_films_have_most_of_the_ratings():
    for index in (demo().user, demo().film):
        counts = np.bincount(index)
        assert counts.mean() > 1.3 * np.median(counts)
        assert counts.max() > 5 * counts.mean()
    assert np.bincount(demo().user).min() >= 20


def test_films_have_titles_years_and_genres():
    films = demo().films
    assert films.titles[16] == f"Film {films.ids[16]} ({films.year[16]})"
    assert ((films.year >= 1930) & (films.year <= 2015)).all()
    assert set(films.genres.sum(axis=1)) == {1, 2, 3}


def test_timestamps_are_seconds_after_the_last_film():
    assert demo().timestamp.min() >= 1_451_606_400
    assert demo().timestamp.max() < 2_000_000_000


def test_the_same_seed_gives_the_same_ratings_and_another_seed_others():
    assert demo_ratings(2_000, seed=3).fingerprint == demo_ratings(2_000, seed=3).fingerprint
    assert demo_ratings(2_000, seed=3).fingerprint != demo_ratings(2_000, seed=4).fingerprint


@pytest.mark.parametrize("n_ratings", [1, 2, 7, 50, 999, 20_000])
def test_any_size_comes_out_exactly(n_ratings):
    assert len(demo_ratings(n_ratings)) == n_ratings


def test_all_pairs_can_be_asked_for():
    ratings = demo_ratings(60, n_users=5, n_films=12)
    assert (len(ratings), ratings.n_users, ratings.n_films) == (60, 5, 12)


def test_the_size_left_out_is_chosen_to_fit():
    assert demo_ratings(2_000, n_users=5).n_users == 5
    assert demo_ratings(2_000, n_films=5).n_films == 5


def test_more_ratings_than_pairs_are_refused():
    with pytest.raises(
        DataError, match="61 ratings do not fit: 5 users and 12 films make 60 pairs"
    ):
        demo_ratings(61, n_users=5, n_films=12)


def test_a_user_without_a_rating_is_refused():
    with pytest.raises(DataError, match="4 ratings leave some of 5 users without one"):
        demo_ratings(4, n_users=5)


def test_no_ratings_are_refused():
    with pytest.raises(DataError, match="demo ratings must be at least 1, got 0"):
        demo_ratings(0)


def test_noise_variance_is_that_of_many_draws():
    truth = np.array([-1.0, 0.6, 3.1, 4.9])
    noise = np.random.default_rng(0).normal(0, _NOISE_SD, (200_000, 1))
    drawn = np.clip(np.round(2 * (truth + noise)) / 2, 0.5, 5)
    assert _rounded_variance(truth) == approx(drawn.var(axis=0), rel=0.02)


def test_taste_can_be_learnt_but_noise_cannot():
    ratings = demo()
    bias_rmse, low_rank_rmse = _test_rmses(ratings)
    assert 0.86 < bias_rmse < 0.93
    assert bias_rmse > ratings.noise_rmse + 0.04
    # A low-rank model closes a good part of the gap, and cannot close it wholly.
    assert ratings.noise_rmse + 0.02 < low_rank_rmse < bias_rmse - 0.04


def _test_rmses(ratings: Ratings) -> tuple[float, float]:
    """RMSE on a tenth of the rows: of biases, and of biases + rank 4 by least squares."""
    rows = np.random.default_rng(1).permutation(len(ratings))
    test, train = rows[: len(rows) // 10], rows[len(rows) // 10 :]
    user, film = ratings.user[train], ratings.film[train]
    rating = ratings.rating[train].astype(float)
    mean = rating.mean()
    user_bias, film_bias = np.zeros(ratings.n_users), np.zeros(ratings.n_films)
    for _ in range(5):
        film_bias = _shrunk_mean(film, rating - mean - user_bias[user], ratings.n_films)
        user_bias = _shrunk_mean(user, rating - mean - film_bias[film], ratings.n_users)

    def bias(rows):
        return mean + user_bias[ratings.user[rows]] + film_bias[ratings.film[rows]]

    residual = rating - bias(train)
    film_factor = np.random.default_rng(0).normal(0, 0.1, (ratings.n_films, 4))
    for _ in range(4):
        user_factor = _ridge(user, film_factor[film], residual, ratings.n_users)
        film_factor = _ridge(film, user_factor[user], residual, ratings.n_films)
    taste = (user_factor[ratings.user[test]] * film_factor[ratings.film[test]]).sum(axis=1)

    def rmse(prediction):
        return sqrt(np.mean((ratings.rating[test] - prediction.clip(0.5, 5)) ** 2))

    return rmse(bias(test)), rmse(bias(test) + taste)


def _shrunk_mean(index, value, size):
    return np.bincount(index, value, size) / (np.bincount(index, minlength=size) + 4)


def _ridge(index, features, target, size):
    rank = features.shape[1]
    gram = np.zeros((size, rank, rank))
    moment = np.zeros((size, rank, 1))
    np.add.at(gram, index, features[:, :, None] * features[:, None, :])
    np.add.at(moment, index, (features * target[:, None])[:, :, None])
    return np.linalg.solve(gram + 4 * np.eye(rank), moment)[:, :, 0]
