"""Generated ratings that look like MovieLens, and whose irreducible error is known row by row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cache
from hashlib import sha256
from itertools import pairwise
from math import ceil, erf, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..ratings import Float, Int, Ratings, Scale
from .choice import FilmDraws, choose_films, ratings_per_user
from .films import RANK, DemoFilms, draw_films, film_features
from .times import draw_drift, draw_seconds

SIZED = "demo:"  # begins the name of demo ratings in a size of one's choice

_STARS = np.arange(0.5, 5.1, 0.5)
_MEAN = 3.25  # stars of an average user for an average film; both choose, so ratings lie higher
_USER_BIAS_SD = 0.38
_TASTE_SD = 0.60  # stars
_NOISE_SD = 0.77  # stars, before clipping and rounding
_FIRST_SECOND = 1_451_606_400  # 2016, after the last film's year
_FOUR_YEARS_S = 4 * 365 * 86_400
_BLOCK = 250_000  # ratings generated at a time, which bounds the memory

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kKmM]?)")
# A size is written with the first of them that divides it.
_UNITS = {"M": 1_000_000, "k": 1_000, "": 1, "m": 1_000_000, "K": 1_000}
_MOST = 1_000_000_000  # in a name; so many take over 40 GB of memory

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
    user's bias + Gaussian noise, clipped and rounded to half stars. Few films and users have most
    of the ratings, users tend to watch what they like, and taste depends on genres and year.
    `expected` is the mean rating given all of the above but the noise.

    Args:
        n_users: each has a rating; by default they grow as MovieLens' did, 1,000 for 100,000
            ratings and 200,000 for 32 million.
        n_films: to choose from, by default 2,000 for 100,000 ratings and 44,000 for 32 million;
            those that nobody rates are left out.

    Raises:
        DataError: the sizes do not fit together.
    """
    n_users, n_films = _sizes(n_ratings, n_users, n_films)
    # One stream of random numbers, and double precision wherever a number is rounded or compared:
    # in single precision the last digit, which differs between machines, would turn some ratings.
    rng = np.random.default_rng(seed)
    films = draw_films(rng, n_films)
    draws = FilmDraws(films.popularity)
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
        film[rows], timestamp[rows], rating[rows], expected[rows] = _rate(rng, block, films, draws)
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


class _Users(NamedTuple):
    taste: _Doubles  # (n_users, RANK), a film's taste times it is in stars
    bias: _Doubles  # (n_users,) stars
    first_second: Int  # (n_users,) of the first rating, since 1970
    counts: Int  # (n_users,) ratings of each

    def blocks(self) -> Iterator[_Users]:
        """The users in their order, some at a time."""
        block = self.counts.cumsum() // _BLOCK
        edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(block)]
        for start, stop in pairwise(edges):
            some = slice(start, stop)
            yield _Users(
                self.taste[some], self.bias[some], self.first_second[some], self.counts[some]
            )


def _rate(
    rng: np.random.Generator, users: _Users, films: DemoFilms, draws: FilmDraws
) -> tuple[Int, Int, Float, Float]:
    """Film, timestamp, rating and expected rating of all that the users rate, by user and film."""
    counts = users.counts
    film = choose_films(rng, counts, draws, users.taste, films.taste)
    seconds = draw_seconds(rng, counts)
    truth = _MEAN + np.repeat(users.bias, counts) + films.bias[film]
    truth += np.einsum("nr,nr->n", np.repeat(users.taste, counts, axis=0), films.taste[film])
    truth += draw_drift(rng, counts, seconds)
    noisy = truth + rng.normal(0, _NOISE_SD, len(truth))
    rating = np.clip(np.round(2 * noisy) / 2, _STARS[0], _STARS[-1])
    timestamp = np.repeat(users.first_second, counts) + seconds
    order = np.argsort(np.repeat(np.arange(len(counts)), counts) * len(films.year) + film)
    return (
        film[order],
        timestamp[order],
        rating[order].astype(np.float32),
        _expected(truth)[order].astype(np.float32),
    )


def generator_state() -> str:
    """Text that differs when the same arguments may give other ratings."""
    parts = sorted(Path(__file__).parent.glob("*.py"))
    digest = sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    return f"{digest} numpy {np.__version__}"


def sized_demo(name: str) -> Ratings:
    """The demo ratings of a name such as `demo:1M`, 250k, 1.5M or 32000000.

    Raises:
        DataError: that is no size.
    """
    return replace(demo_ratings(_named_size(name)), name=sized_name(name))


def sized_name(name: str) -> str:
    """The one name of that size: `demo:1M` for `demo:1000k`.

    Raises:
        DataError: that is no size.
    """
    n_ratings = _named_size(name)
    unit = next(unit for unit, size in _UNITS.items() if n_ratings % size == 0)
    return f"{SIZED}{n_ratings // _UNITS[unit]}{unit}"


def _named_size(name: str) -> int:
    match = _SIZE.fullmatch(name.removeprefix(SIZED))
    n_ratings = Decimal(match[1]) * _UNITS[match[2]] if match else Decimal(0)
    if not 1 <= n_ratings <= _MOST or n_ratings % 1:
        raise DataError(
            f"{name!r} names no size; write a whole number of ratings up to 1000M, such as "
            "demo:250k, demo:1.5M or demo:32000000"
        )
    return int(n_ratings)


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


def _expected(truth: _Doubles) -> _Doubles:
    """Mean of the clipped and rounded rating, given (n,) ratings without noise.

    It depends on one smooth number alone, so it is computed on a grid and interpolated.
    """
    grid, probability = _grid()
    return np.interp(truth, grid, probability @ _STARS)


@cache
def _grid() -> tuple[_Doubles, _Doubles]:
    """Ratings without noise, and the probability of each half star there; saturated outside."""
    grid = np.linspace(-4, 9.5, 2_701)
    edges = (_STARS[:-1] + _STARS[1:]) / 2
    z = (edges[None] - grid[:, None]) / (_NOISE_SD * sqrt(2))
    below = (1 + np.array([[erf(value) for value in row] for row in z.tolist()])) / 2
    return grid, np.diff(below, axis=1, prepend=0, append=1)
