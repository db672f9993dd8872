"""Generated films: how well known they are, who likes them, and what is told of them."""

from __future__ import annotations

from math import pi, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..ratings import Films, Int

GENRES = ("Action", "Comedy", "Documentary", "Drama", "Horror", "Romance", "Sci-Fi", "Western")
RANK = 4  # of taste; as many as there are waves of the year

_FIRST_YEAR, _LIKELIEST_YEAR, _LAST_YEAR = 1930, 2012, 2015
_BIAS_SD = 0.40  # stars
_FAME_BONUS = 0.12  # stars per standard deviation of log popularity
_FAME_SPREAD = 1.3  # of log popularity
_ERA_YEARS = 60  # after which the year's part comes again
_ERA_BIAS = 0.20  # stars by which the year moves a film's bias up and down
_ERA_SHARE = 0.3  # of the variance of taste that depends on the year

_Doubles = NDArray[np.float64]


class DemoFilms(NamedTuple):
    popularity: _Doubles  # (n_films,) a film is drawn in proportion to it
    bias: _Doubles  # (n_films,) stars
    taste: _Doubles  # (n_films, RANK), of mean square about 1 / RANK
    year: NDArray[np.int16]  # (n_films,) of release


def draw_films(rng: np.random.Generator, n_films: int) -> DemoFilms:
    """Films of which few are well known; bias and taste depend on the year of release, smoothly."""
    fame = rng.normal(size=n_films)
    year = rng.triangular(_FIRST_YEAR, _LIKELIEST_YEAR, _LAST_YEAR, n_films).astype(np.int16)
    turn = 2 * pi * (year - _FIRST_YEAR) / _ERA_YEARS
    era = np.stack([np.cos(turn), np.sin(turn), np.cos(2 * turn), np.sin(2 * turn)], axis=1)
    own = rng.normal(size=(n_films, RANK))
    # The waves' mean square is about 1/2.
    taste = sqrt(1 - _ERA_SHARE) * own + sqrt(2 * _ERA_SHARE) * era
    return DemoFilms(
        popularity=np.exp(_FAME_SPREAD * fame),
        bias=rng.normal(0, _BIAS_SD, n_films) + _FAME_BONUS * fame + _ERA_BIAS * era[:, 0],
        taste=taste / sqrt(RANK),
        year=year,
    )


def film_features(rng: np.random.Generator, films: DemoFilms, rated: Int) -> Films:
    """Titles, years and one to three genres, those whose direction in taste space lies nearest.

    Args:
        rated: (n_rated,) places in `films` of the films to tell of, ascending.
    """
    n_films = len(films.year)
    direction = rng.normal(size=(len(GENRES), RANK))
    fit = films.taste @ direction.T + 0.5 * rng.normal(size=(n_films, len(GENRES)))
    ranks = np.argsort(np.argsort(-fit, axis=1), axis=1)
    genres = ranks < rng.integers(1, 4, n_films)[:, None]
    titles = [f"Film {at + 1} ({films.year[at]})" for at in rated.tolist()]
    return Films(
        ids=rated + 1,
        titles=np.array(titles, dtype=np.str_),
        year=films.year[rated],
        genres=genres[rated],
        genre_names=GENRES,
    )
