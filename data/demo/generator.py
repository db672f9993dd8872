"""Generates MovieLens-like ratings, with the expected rating of each row."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from math import ceil, erf, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...base.code_version import code_version
from ...errors import DataError
from ..ratings import Float, Int, Ratings, Scale
from .film_choice import FilmSampler, choose_films, ratings_per_user
from .films import RANK, DemoFilms, draw_films, film_features
from .times import draw_drift, draw_seconds

_STARS = np.arange(0.5, 5.1, 0.5)
# Stars of an average user for an average film. The mean rating is higher, because users choose
# films that they like.
_MEAN = 3.25
_USER_BIAS_SD = 0.38
_TASTE_SD = 0.60  # stars
_NOISE_SD = 0.77  # stars, before clipping and rounding
_FIRST_SECOND = 1_451_606_400  # the start of 2016, after the last film's year
_FOUR_YEARS_S = 4 * 365 * 86_400
_BLOCK = 250_000  # ratings generated at a time, which bounds the memory

_Doubles = NDArray[np.float64]


def demo_ratings(
    n_ratings: int = 100_000,
    *,
    n_users: int | None = None,
    n_films: int | None = None,
    seed: int = 0,
) -> Ratings:
    """Exactly `n_ratings` half-star ratings, the same for the same arguments.

    A rating is mean + user bias + film bias + taste (an inner product of rank 4) + drift of the
    user's bias + Gaussian noise, clipped and rounded to half stars. A few films and users have most
    of the ratings, users tend to watch what they like, and taste depends on genres and year.
    `expected` is the mean rating given all of the above except the noise.

    Args:
        n_users: each has at least one rating. By default the number grows as MovieLens' did:
            1,000 for 100,000 ratings and 200,000 for 32 million.
        n_films: to choose from; films that nobody rates are omitted. By default 2,000 for 100,000
            ratings and 44,000 for 32 million.

    Raises:
        DataError: the sizes are inconsistent.
    """
    n_users, n_films = _sizes(n_ratings, n_users, n_films)
    # One stream of random numbers, and double precision wherever a number is rounded or compared:
    # in single precision the last digit depends on the machine, which would change some ratings.
    rng = np.random.default_rng(seed)
    films = draw_films(rng, n_films)
    sampler = FilmSampler(films.popularity)
    users = _Users(
        taste=rng.normal(0, _TASTE_SD, (n_users, RANK)),
        bias=rng.normal(0, _USER_BIAS_SD, n_users),
        first_second=_FIRST_SECOND + rng.integers(_FOUR_YEARS_S, size=n_users),
        counts=ratings_per_user(rng, n_ratings, n_users, n_films),
    )
    film, timestamp = np.empty(n_ratings, np.int64), np.empty(n_ratings, np.int64)
    rating, expected = np.empty(n_ratings, np.float32), np.empty(n_ratings, np.float32)
    start = 0
    for block in users.blocks():
        rows = slice(start, start + block.counts.sum())
        film[rows], timestamp[rows], rating[rows], expected[rows] = _rate(
            rng, block, films, sampler
        )
        start = rows.stop
    is_rated = np.bincount(film, minlength=n_films) > 0
    return Ratings(
        name="demo",
        user_ids=np.arange(1, n_users + 1),
        films=film_features(rng, films, np.flatnonzero(is_rated)),
        user=np.repeat(np.arange(n_users), users.counts),
        film=(is_rated.cumsum() - 1)[film],
        rating=rating,
        timestamp=timestamp,
        scale=Scale(float(_STARS[0]), float(_STARS[-1])),
        expected=expected,
    )


def generator_version() -> str:
    """Text that changes whenever the same arguments may generate different ratings."""
    return code_version(Path(__file__).parent.glob("*.py"))


class _Users(NamedTuple):
    taste: _Doubles  # (n_users, RANK), its inner product with a film's taste is in stars
    bias: _Doubles  # (n_users,) stars
    first_second: Int  # (n_users,) time of the first rating, seconds since 1970
    counts: Int  # (n_users,) number of ratings

    def blocks(self) -> Iterator[_Users]:
        """Consecutive groups of users with about `_BLOCK` ratings each."""
        block = self.counts.cumsum() // _BLOCK
        edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(block)]
        for start, stop in pairwise(edges):
            group = slice(start, stop)
            yield _Users(
                self.taste[group], self.bias[group], self.first_second[group], self.counts[group]
            )


def _rate(
    rng: np.random.Generator, users: _Users, films: DemoFilms, sampler: FilmSampler
) -> tuple[Int, Int, Float, Float]:
    """Film, timestamp, rating and expected rating of all the users' ratings, by user and film."""
    counts = users.counts
    film = choose_films(rng, counts, sampler, users.taste, films.taste)
    seconds = draw_seconds(rng, counts)
    noiseless = _MEAN + np.repeat(users.bias, counts) + films.bias[film]
    noiseless += np.einsum("nr,nr->n", np.repeat(users.taste, counts, axis=0), films.taste[film])
    noiseless += draw_drift(rng, counts, seconds)
    noisy = noiseless + rng.normal(0, _NOISE_SD, len(noiseless))
    rating = np.clip(np.round(2 * noisy) / 2, _STARS[0], _STARS[-1])
    timestamp = np.repeat(users.first_second, counts) + seconds
    order = np.argsort(np.repeat(np.arange(len(counts)), counts) * len(films.year) + film)
    return (
        film[order],
        timestamp[order],
        rating[order].astype(np.float32),
        _expected(noiseless)[order].astype(np.float32),
    )


def _expected(noiseless: _Doubles) -> _Doubles:
    """Mean of the clipped and rounded rating, given (n,) ratings without noise.

    It is a smooth function of one number, so it is computed on a grid and interpolated.
    """
    grid, probability = _star_probabilities()
    return np.interp(noiseless, grid, probability @ _STARS)


@cache
def _star_probabilities() -> tuple[_Doubles, _Doubles]:
    """A grid of ratings without noise, and each half star's probability at every grid point.

    At both ends of the grid the probabilities have saturated.
    """
    grid = np.linspace(-4, 9.5, 2_701)
    edges = (_STARS[:-1] + _STARS[1:]) / 2
    z = (edges[None] - grid[:, None]) / (_NOISE_SD * sqrt(2))
    below = (1 + np.array([[erf(value) for value in row] for row in z.tolist()])) / 2
    return grid, np.diff(below, axis=1, prepend=0, append=1)


def _sizes(n_ratings: int, n_users: int | None, n_films: int | None) -> tuple[int, int]:
    """Users and films, by default on a power law through 100,000 ratings and ML-32M."""
    if n_ratings < 1:
        raise DataError(f"demo needs at least one rating, got {n_ratings}")
    growth = n_ratings / 100_000
    if n_films is None:
        n_films = max(
            10, round(2_000 * growth**0.535), ceil(2 * n_ratings / (n_users or n_ratings))
        )
    if n_users is None:
        n_users = min(n_ratings, max(round(1_000 * growth**0.92), ceil(4 * n_ratings / n_films)))
    if n_users < 1 or n_films < 1:
        raise DataError(
            f"demo needs at least one user and one film, got {n_users} users and {n_films} films"
        )
    if n_ratings < n_users:
        raise DataError(f"{n_ratings} ratings are too few for {n_users} users; each needs one")
    if n_ratings > n_users * n_films:
        raise DataError(
            f"{n_ratings} ratings are too many: {n_users} users and {n_films} films make only "
            f"{n_users * n_films} pairs; request fewer ratings or more films"
        )
    return n_users, n_films
