"""Generated ratings: their shape and noise, and what can be learnt from them."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from functools import cache
from math import sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest import approx
from recsys_search.data.demo import generator
from recsys_search.data.demo import times as demo_times
from recsys_search.data.demo.film_choice import FilmSampler
from recsys_search.data.demo.generator import (
    _NOISE_SD,
    _STARS,
    _expected,
    _star_probabilities,
    demo_ratings,
)
from recsys_search.data.demo.times import draw_drift
from recsys_search.data.ratings import Int, Ratings
from recsys_search.errors import DataError

Doubles = NDArray[np.float64]


@cache
def demo() -> Ratings:
    return demo_ratings()


def test_the_defaults_have_the_size_of_a_small_movielens():
    ratings = demo()
    assert (ratings.name, len(ratings), ratings.n_users) == ("demo", 100_000, 1_000)
    assert 1_900 < ratings.n_films <= 2_000
    assert ratings.scale == (0.5, 5)


def test_ratings_are_half_stars():
    assert np.unique(demo().rating).tolist() == [0.5 * k for k in range(1, 11)]


def test_pairs_are_unique_and_sorted():
    pair = demo().user * demo().n_films + demo().film
    assert (np.diff(pair) > 0).all()


def test_indices_cover_every_user_and_film():
    assert np.unique(demo().user).tolist() == list(range(demo().n_users))
    assert np.unique(demo().film).tolist() == list(range(demo().n_films))


def test_ratings_per_user_and_per_film_are_skewed():
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


def test_timestamps_are_seconds_after_the_last_films_year():
    assert demo().timestamp.min() >= 1_451_606_400
    assert demo().timestamp.max() < 2_000_000_000


def test_ratings_come_in_sessions():
    """Nine in ten follow the previous one within a minute; most users return days later."""
    user, timestamp = (column[by_time(demo())] for column in (demo().user, demo().timestamp))
    same_user = np.diff(user) == 0
    gap_s = np.diff(timestamp)[same_user]
    new_session = gap_s > 3_600
    assert (gap_s < 60).mean() > 0.9
    assert 3 < np.median(gap_s[new_session]) / 86_400 < 30
    assert (np.bincount(user[1:][same_user], new_session, demo().n_users) > 0).mean() > 0.5


def test_the_order_in_time_is_unrelated_to_film_ids():
    rank = np.empty(len(demo()))
    rank[by_time(demo())] = np.arange(len(demo()))
    within_user = rank - user_mean(demo(), rank)
    assert abs(np.corrcoef(within_user, demo().film)[0, 1]) < 0.02


def test_the_seed_determines_the_ratings():
    assert demo_ratings(2_000, seed=3).fingerprint == demo_ratings(2_000, seed=3).fingerprint
    assert demo_ratings(2_000, seed=3).fingerprint != demo_ratings(2_000, seed=4).fingerprint


def test_the_default_ratings_are_the_same_on_every_machine():
    """A change, for example in numpy's generators, breaks the continuation of existing studies."""
    assert demo().fingerprint == "c6592e89ed20f031"


@pytest.mark.parametrize("n_ratings", [1, 2, 7, 50, 999, 20_000])
def test_the_number_of_ratings_is_exact(n_ratings):
    assert len(demo_ratings(n_ratings)) == n_ratings


def test_every_pair_can_be_rated():
    ratings = demo_ratings(60, n_users=5, n_films=12)
    assert (len(ratings), ratings.n_users, ratings.n_films) == (60, 5, 12)


def test_an_omitted_number_of_users_or_films_fits_the_given_one():
    assert demo_ratings(2_000, n_users=5).n_users == 5
    assert demo_ratings(2_000, n_films=5).n_films == 5


def test_memory_holds_the_columns_and_one_block(monkeypatch):
    """32 bytes per rating in five columns, 8 more while films are renumbered; measured: 44."""
    monkeypatch.setattr(generator, "_BLOCK", 10_000)
    tracemalloc.start()
    try:
        demo_ratings(500_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 56 * 500_000


@pytest.mark.slow
def test_as_many_ratings_as_movielens_32m_fit_into_two_gigabytes():
    """Runs in a separate process, so that the peak is that of this call alone."""
    code = (
        "import resource; from recsys_search.data.sets.loading import load_ratings; "
        "ratings = load_ratings('demo:32M'); print(len(ratings), ratings.n_users, "
        "ratings.n_films, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    n_ratings, n_users, n_films, peak_bytes = map(int, out.split())
    assert n_ratings == 32_000_000
    assert n_users == approx(200_948, rel=0.01)
    assert n_films == approx(43_884, rel=0.01)
    assert peak_bytes < 2 * 10**9


def test_films_are_drawn_in_proportion_to_their_popularity():
    """The lookup table agrees with a binary search, for very unpopular films too."""
    quantile = np.array([0.0, 0.3749, 0.375, 0.4999, 0.5, 1 - 2**-53])
    assert FilmSampler(np.array([3.0, 1.0, 4.0])).films_for(quantile).tolist() == [0, 0, 1, 1, 2, 2]
    rng = np.random.default_rng(0)
    popularity, quantile = rng.lognormal(0, 2, 3_000), rng.random(50_000)
    expected = np.searchsorted(popularity.cumsum() / popularity.sum(), quantile, side="right")
    assert FilmSampler(popularity).films_for(quantile).tolist() == expected.tolist()


def test_more_ratings_than_pairs_are_refused():
    with pytest.raises(
        DataError, match="61 ratings are too many: 5 users and 12 films make only 60 pairs"
    ):
        demo_ratings(61, n_users=5, n_films=12)


def test_fewer_ratings_than_users_are_refused():
    with pytest.raises(DataError, match="4 ratings are too few for 5 users; each needs one"):
        demo_ratings(4, n_users=5)


def test_zero_ratings_are_refused():
    with pytest.raises(DataError, match="demo needs at least one rating, got 0"):
        demo_ratings(0)


def test_zero_users_are_refused():
    message = "demo needs at least one user and one film, got 0 users and 9 films"
    with pytest.raises(DataError, match=message):
        demo_ratings(5, n_users=0, n_films=9)


# The noise


def test_the_expected_rating_is_the_mean_of_many_draws():
    noiseless = np.array([-9.0, -1.0, 0.6, 3.1, 4.9, 12.0])
    noise = np.random.default_rng(0).normal(0, _NOISE_SD, (200_000, 1))
    drawn = np.clip(np.round(2 * (noiseless + noise)) / 2, 0.5, 5)
    assert _expected(noiseless) == approx(drawn.mean(axis=0), abs=0.006)
    assert _expected(noiseless)[[0, -1]] == approx([0.5, 5])


def test_the_measured_noise_floor_is_the_theoretical_one():
    """The theory is the variance of a rounded rating, as a function of its expected value."""
    noise = demo().rating - demo().expected.astype(float)
    grid, probability = _star_probabilities()
    assert np.diff(probability.sum(axis=1)) == approx(0, abs=1e-12)
    mean = probability @ _STARS
    variance = probability @ _STARS**2 - mean**2
    theory = np.interp(demo().expected, mean, variance).mean()
    assert (noise**2).mean() == approx(theory, abs=3 * standard_error(noise**2))
    # By hand at 2.75, where rounding adds 0.5² / 12 and clipping has no effect.
    assert np.interp(2.75, grid, variance) == approx(_NOISE_SD**2 + 0.25 / 12, rel=0.01)


def test_the_expected_rating_is_unbiased_at_every_level():
    noise = demo().rating - demo().expected.astype(float)
    for rows in np.array_split(np.argsort(demo().expected), 20):
        assert noise[rows].mean() == approx(0, abs=4 * standard_error(noise[rows]))


@pytest.mark.parametrize(
    "other",
    [
        lambda ratings, expected: expected + 0.1,
        lambda ratings, expected: expected - 0.1,
        lambda ratings, expected: 0.9 * expected + 0.1 * expected.mean(),
        lambda ratings, expected: expected + np.random.default_rng(5).normal(0, 0.1, len(ratings)),
        lambda ratings, expected: expected + 0.1 * np.sin(ratings.film),
        lambda ratings, expected: user_mean(ratings, expected),
    ],
)
def test_the_excess_mse_of_a_prediction_is_its_squared_distance_to_the_expected_rating(other):
    expected = demo().expected.astype(float)
    predicted = other(demo(), expected)
    excess = (predicted - demo().rating) ** 2 - (expected - demo().rating) ** 2
    distance = ((predicted - expected) ** 2).mean()
    assert excess.mean() == approx(distance, abs=3 * standard_error(excess))
    assert excess.mean() > 5 * standard_error(excess)


def test_a_subset_keeps_its_rows_expected_ratings():
    rows = np.array([5, 900, 31])
    assert demo().take(rows).expected.tolist() == demo().expected[rows].tolist()


def test_the_fingerprint_ignores_expected_ratings():
    assert replace(demo(), expected=None).fingerprint == demo().fingerprint


# Drift


@cache
def time_blind_prediction() -> Doubles:
    """Best prediction that ignores time: each user's drift is replaced by its mean."""
    waves = demo_times.DRIFT
    try:
        demo_times.DRIFT = tuple((0.0, period_s) for _, period_s in waves)
        without_drift = demo_ratings()
    finally:
        demo_times.DRIFT = waves
    assert (without_drift.film == demo().film).all()
    assert (without_drift.timestamp == demo().timestamp).all()
    drift = demo().expected.astype(float) - without_drift.expected
    return without_drift.expected + user_mean(demo(), drift)


def test_ignoring_time_costs_two_to_three_hundredths_of_rmse():
    assert 0.02 < rmse(demo(), time_blind_prediction()) - rmse(demo(), demo().expected) < 0.03


def test_ratings_close_in_time_are_correlated():
    """The drift's variance is 0.04, the noise's 0.52; the correlation falls with distance."""
    order = by_time(demo())
    user, residual = demo().user[order], (demo().rating - time_blind_prediction())[order]

    def correlation(lag):
        pairs = user[lag:] == user[:-lag]
        return (residual[lag:] * residual[:-lag])[pairs].mean() / residual.var()

    assert correlation(1) == approx(0.04 / 0.56, abs=0.02)
    assert correlation(1) > correlation(10) > correlation(30) + 0.01
    assert abs(correlation(100)) < 0.02


def test_time_neighbours_lower_the_rmse():
    """Adds a shrunk mean of the residuals of the ten ratings before and after."""
    order = by_time(demo())
    user, residual = demo().user[order], (demo().rating - time_blind_prediction())[order]
    total, count = np.zeros(len(user)), np.full(len(user), 10.0)
    for lag in range(1, 11):
        same = user[lag:] == user[:-lag]
        total[lag:] += np.where(same, residual[:-lag], 0)
        total[:-lag] += np.where(same, residual[lag:], 0)
        count[lag:] += same
        count[:-lag] += same
    without, with_them = (sqrt(np.mean(error**2)) for error in (residual, residual - total / count))
    assert with_them < without - 0.006


def test_drift_has_the_stated_variance_and_is_smooth():
    """Over ten years the waves' variances add up; between minutes there is no jump."""
    seconds = np.tile(np.arange(0, 10 * 365 * 86_400, 3_600), 40)
    drift = draw_drift(np.random.default_rng(0), np.full(40, len(seconds) // 40), seconds)
    assert drift.var() == approx(sum(sd**2 for sd, _ in demo_times.DRIFT), rel=0.1)
    minutes = np.arange(600) * 60
    assert (
        np.abs(np.diff(draw_drift(np.random.default_rng(0), np.array([600]), minutes))).max() < 0.05
    )


# What can be learnt


def test_taste_can_be_learnt_but_noise_cannot():
    ratings = demo()
    noise_rmse = rmse(ratings, ratings.expected)
    bias_rmse, low_rank_rmse = _test_rmses(ratings)
    assert 0.86 < bias_rmse < 0.93
    assert bias_rmse > noise_rmse + 0.04
    # A low-rank model closes much of the gap, but not all of it.
    assert noise_rmse + 0.02 < low_rank_rmse < bias_rmse - 0.04


@pytest.mark.parametrize("side", ["genre", "decade"])
def test_a_users_taste_is_consistent_within_a(side):
    """Mean residuals per user and group are correlated between two halves of the films."""
    groups = {"genre": genres, "decade": decades}[side](demo())
    shuffled = np.random.default_rng(2).permutation(groups)
    assert split_half_correlation(demo(), groups) > 0.3
    # Slightly below 0: residuals are centred per user, so one half's excess is the other's deficit.
    assert split_half_correlation(demo(), shuffled) < 0.05


def test_the_mean_rating_of_films_depends_on_their_decade():
    film_mean = np.bincount(demo().film, demo().expected) / np.bincount(demo().film)

    def explained(groups):
        weight = groups.sum(axis=0)
        mean = groups.T @ film_mean / np.maximum(weight, 1)
        return (weight * (mean - film_mean.mean()) ** 2).sum() / len(film_mean) / film_mean.var()

    assert explained(decades(demo())) > 0.04
    assert explained(np.random.default_rng(2).permutation(decades(demo()))) < 0.015


def genres(ratings: Ratings) -> Doubles:
    return ratings.films.genres.astype(float)


def decades(ratings: Ratings) -> Doubles:
    return ((ratings.films.year[:, None] - 1930) // 10 == np.arange(9)).astype(float)


def split_half_correlation(ratings: Ratings, groups: Doubles) -> float:
    """Correlation, over users and groups, of the mean residual in two halves of the films."""
    film_mean = np.bincount(ratings.film, ratings.expected) / np.bincount(ratings.film)
    residual = ratings.expected - film_mean[ratings.film]
    residual -= user_mean(ratings, residual)
    in_first = np.random.default_rng(3).random(ratings.n_films) < 0.5
    means, counts = [], []
    for half in (in_first, ~in_first):
        rows = half[ratings.film]
        member = groups[ratings.film[rows]]
        columns = range(groups.shape[1])
        user, value = ratings.user[rows], residual[rows]
        count = [np.bincount(user, member[:, j], ratings.n_users) for j in columns]
        total = [np.bincount(user, member[:, j] * value, ratings.n_users) for j in columns]
        means.append(np.ravel(total) / np.maximum(np.ravel(count), 1))
        counts.append(np.ravel(count))
    enough = np.minimum(*counts) >= 5
    return np.corrcoef(means[0][enough], means[1][enough])[0, 1]


def by_time(ratings: Ratings) -> Int:
    """Row numbers sorted by user, then by time."""
    return np.lexsort((ratings.timestamp, ratings.user))


def user_mean(ratings: Ratings, value: Doubles) -> Doubles:
    """(n,) mean value of each row's user."""
    return (np.bincount(ratings.user, value) / np.bincount(ratings.user))[ratings.user]


def rmse(ratings: Ratings, predicted: Doubles) -> float:
    return sqrt(np.mean((ratings.rating - predicted.astype(float)) ** 2))


def standard_error(value: Doubles) -> float:
    return value.std() / sqrt(len(value))


def _test_rmses(ratings: Ratings) -> tuple[float, float]:
    """RMSE on a tenth of the rows: of biases, and of biases + rank 4 fitted by least squares."""
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
