"""Generated ratings that look like MovieLens, and whose irreducible error is known."""

from __future__ import annotations

from math import ceil, erf, sqrt

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .ratings import Films, Int, Ratings, Scale

GENRES = ("Action", "Comedy", "Documentary", "Drama", "Horror", "Romance", "Sci-Fi", "Western")

_STARS = np.arange(0.5, 5.1, 0.5)
_MEAN = 3.25  # stars of an average user for an average film; both choose, so ratings lie higher
_USER_BIAS_SD = 0.38
_FILM_BIAS_SD = 0.40
_FAME_BONUS = 0.12  # stars per standard deviation of log popularity
_RANK = 4
_TASTE_SD = 0.60  # stars
_NOISE_SD = 0.78  # stars, before clipping and rounding
_LIKING = 1.5  # log odds of watching a film per star of taste
_FIRST_SECOND = 1_451_606_400  # 2016, after the last film's year
_FOUR_YEARS_S = 4 * 365 * 86_400
_SIXTY_DAYS_S = 60 * 86_400

_Doubles = NDArray[np.float64]


def demo_ratings(
    n_ratings: int = 100_000,
    *,
    n_users: int | None = None,
    n_films: int | None = None,
    seed: int = 0,
) -> Ratings:
    """Exactly `n_ratings` half-star ratings, the same for the same arguments.

    A rating is mean + user bias + film bias + taste (an inner product of rank 4) + Gaussian noise,
    clipped and rounded to half stars. Few films and users have most of the ratings, and users
    tend to watch what they like. `noise_rmse` is the RMSE of the best prediction there is, the
    expected rating given all of the above but the noise.

    Args:
        n_users: each has a rating; by default they grow as MovieLens' did, 1,000 for 100,000
            ratings and 200,000 for 32 million.
        n_films: to choose from, by default 2,000 for 100,000 ratings and 44,000 for 32 million;
            those that nobody rates are left out.

    Raises:
        DataError: the sizes do not fit together.
    """
    n_users, n_films = _sizes(n_ratings, n_users, n_films)
    rng = np.random.default_rng(seed)

    fame = rng.normal(size=n_films)  # log popularity, standardised
    film_taste = rng.normal(size=(n_films, _RANK)) / sqrt(_RANK)
    film_bias = rng.normal(0, _FILM_BIAS_SD, n_films) + _FAME_BONUS * fame
    user_taste = rng.normal(0, _TASTE_SD, (n_users, _RANK))
    user_bias = rng.normal(0, _USER_BIAS_SD, n_users)

    counts = _ratings_per_user(rng, n_ratings, n_users, n_films)
    user, film = _choose(rng, counts, np.exp(1.3 * fame), user_taste, film_taste)
    truth = _MEAN + user_bias[user] + film_bias[film]
    truth += np.einsum("nr,nr->n", user_taste[user], film_taste[film])
    noisy = truth + rng.normal(0, _NOISE_SD, n_ratings)
    rating = np.clip(np.round(2 * noisy) / 2, _STARS[0], _STARS[-1]).astype(np.float32)

    start = _FIRST_SECOND + rng.uniform(0, _FOUR_YEARS_S, n_users)
    timestamp = (start[user] + rng.exponential(_SIXTY_DAYS_S, n_ratings)).astype(np.int64)
    rated, film = np.unique(film, return_inverse=True)
    return Ratings(
        name="demo",
        user_ids=np.arange(1, n_users + 1),
        films=_film_features(rng, film_taste, rated),
        user=user,
        film=film,
        rating=rating,
        timestamp=timestamp,
        scale=Scale(float(_STARS[0]), float(_STARS[-1])),
        noise_rmse=sqrt(_rounded_variance(truth).mean()),
    )


def _sizes(n_ratings: int, n_users: int | None, n_films: int | None) -> tuple[int, int]:
    """Users and films, by default along a power law through 100,000 ratings and ML-32M."""
    if n_ratings < 1:
        raise DataError(f"demo ratings must be at least 1, got {n_ratings}")
    growth = n_ratings / 100_000
    if n_films is None:
        n_films = max(
            10, round(2_000 * growth**0.535), ceil(2 * n_ratings / (n_users or n_ratings))
        )
    if n_users is None:
        n_users = min(n_ratings, max(round(1_000 * growth**0.92), ceil(4 * n_ratings / n_films)))
    if n_users < 1 or n_films < 1:
        raise DataError(f"demo needs users and films, got {n_users} and {n_films}")
    if n_ratings < n_users:
        raise DataError(f"{n_ratings} ratings leave some of {n_users} users without one")
    if n_ratings > n_users * n_films:
        raise DataError(
            f"{n_ratings} ratings do not fit: {n_users} users and {n_films} films make "
            f"{n_users * n_films} pairs; ask for fewer ratings or more films"
        )
    return n_users, n_films


def _ratings_per_user(rng: np.random.Generator, n_ratings: int, n_users: int, n_films: int) -> Int:
    """Lognormal counts that sum to `n_ratings`; at most half of the films where that suffices."""
    weight = rng.lognormal(0, 1, n_users)
    fewest = max(1, min(20, n_ratings // n_users // 2))
    most = max(ceil(n_films / 2), ceil(n_ratings / n_users))
    counts = np.full(n_users, fewest)
    while left := n_ratings - counts.sum():
        room = most - counts
        share = np.where(room > 0, weight, 0)
        more = np.minimum(left * share / share.sum(), room).astype(np.int64)
        if not more.any():
            heaviest = np.argsort(-share)[: min(left, (room > 0).sum())]
            more[heaviest] = 1
        counts += more
    return counts


def _choose(
    rng: np.random.Generator,
    counts: Int,
    popularity: _Doubles,
    user_taste: _Doubles,
    film_taste: _Doubles,
) -> tuple[Int, Int]:
    """`counts[u]` different films for each user u; (user, film), sorted.

    A film is drawn in proportion to popularity x sigmoid(taste). Most users draw with repeats from
    the popularity, and keep the first ones they like. Who gets too few that way, because they want
    a large part of all films, draws from all of them at once by Gumbel's trick.
    """
    n_films = len(popularity)
    cumulative = popularity.cumsum() / popularity.sum()
    cumulative[-1] = 1.0
    chosen: list[Int] = []
    # Blocks of users bound the memory.
    block = counts.cumsum() // 250_000
    for users in np.split(np.arange(len(counts)), np.flatnonzero(np.diff(block)) + 1):
        user = np.repeat(users, 4 * counts[users] + 30)
        film = np.searchsorted(cumulative, rng.random(len(user)), side="right")
        taste = np.einsum("nr,nr->n", user_taste[user], film_taste[film])
        likes = rng.random(len(user)) * (1 + np.exp(-_LIKING * taste)) < 1
        pair, first = np.unique(user[likes] * n_films + film[likes], return_index=True)
        pair = pair[np.argsort(first)]  # as drawn, so still by user
        user = pair // n_films
        place = np.arange(len(pair)) - np.searchsorted(user, user)
        short = np.bincount(user - users[0], minlength=len(users)) < counts[users]
        chosen.append(pair[(place < counts[user]) & ~short[user - users[0]]])
        for one in users[short]:
            logit = _LIKING * (film_taste @ user_taste[one])
            score = np.log(popularity) - np.log1p(np.exp(-logit)) + rng.gumbel(size=n_films)
            rest = n_films - counts[one]
            chosen.append(one * n_films + np.argpartition(score, max(rest - 1, 0))[rest:])
    pair = np.sort(np.concatenate(chosen))
    return pair // n_films, pair % n_films


def _film_features(rng: np.random.Generator, film_taste: _Doubles, rated: Int) -> Films:
    """Titles, years and one to three genres, those whose direction in taste space lies nearest."""
    n_films = len(film_taste)
    direction = rng.normal(size=(len(GENRES), _RANK))
    fit = film_taste @ direction.T + 0.5 * rng.normal(size=(n_films, len(GENRES)))
    ranks = np.argsort(np.argsort(-fit, axis=1), axis=1)
    genres = ranks < rng.integers(1, 4, n_films)[:, None]
    year = rng.triangular(1930, 2012, 2015, n_films).astype(np.int16)
    titles = [f"Film {at + 1} ({year[at]})" for at in rated.tolist()]
    return Films(
        ids=rated + 1,
        titles=np.array(titles, dtype=np.str_),
        year=year[rated],
        genres=genres[rated],
        genre_names=GENRES,
    )


def _rounded_variance(truth: _Doubles) -> _Doubles:
    """Variance of the clipped and rounded rating around its mean, given the rating without noise.

    It depends on one smooth number alone, so it is computed on a grid and interpolated.
    """
    grid = np.linspace(min(truth.min(), 0), max(truth.max(), 6), 2_000)
    edges = (_STARS[:-1] + _STARS[1:]) / 2
    z = (edges[None] - grid[:, None]) / (_NOISE_SD * sqrt(2))
    below = (1 + np.array([[erf(value) for value in row] for row in z.tolist()])) / 2
    probability = np.diff(below, axis=1, prepend=0, append=1)
    mean = probability @ _STARS
    return np.interp(truth, grid, probability @ _STARS**2 - mean**2)
