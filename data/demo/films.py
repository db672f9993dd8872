"""Generated films: popularity, bias, taste, title, year and genres."""

from __future__ import annotations

from math import pi, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..ratings import Films, Int

GENRES = ("Action", "Comedy", "Documentary", "Drama", "Horror", "Romance", "Sci-Fi", "Western")
RANK = 4  # dimensions of taste, one for each sine wave over the years

_FIRST_YEAR, _MODE_YEAR, _LAST_YEAR = 1930, 2012, 2015  # of a triangular distribution
_BIAS_SD = 0.40  # stars
_POPULARITY_BONUS = 0.12  # stars per standard deviation of log popularity
_LOG_POPULARITY_SD = 1.3
_ERA_PERIOD_YEARS = 60  # period of the year's effect
_ERA_BIAS = 0.20  # stars, amplitude of the year's effect on a film's bias
_ERA_SHARE = 0.3  # share of the variance of taste that depends on the year

_Doubles = NDArray[np.float64]


class DemoFilms(NamedTuple):
    popularity: _Doubles  # (n_films,) proportional to the probability of being drawn
    bias: _Doubles  # (n_films,) stars
    taste: _Doubles  # (n_films, RANK), mean square about 1 / RANK
    year: NDArray[np.int16]  # (n_films,) year of release


def draw_films(rng: np.random.Generator, n_films: int) -> DemoFilms:
    """Films with lognormal popularity, whose bias and taste vary smoothly with the release year."""
    log_popularity = rng.normal(size=n_films)  # standardised
    year = rng.triangular(_FIRST_YEAR, _MODE_YEAR, _LAST_YEAR, n_films).astype(np.int16)
    angle = 2 * pi * (year - _FIRST_YEAR) / _ERA_PERIOD_YEARS
    era = np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)], axis=1)
    individual = rng.normal(size=(n_films, RANK))
    # The sine waves have a mean square of about 1/2.
    taste = sqrt(1 - _ERA_SHARE) * individual + sqrt(2 * _ERA_SHARE) * era
    return DemoFilms(
        popularity=np.exp(_LOG_POPULARITY_SD * log_popularity),
        bias=(
            rng.normal(0, _BIAS_SD, n_films)
            + _POPULARITY_BONUS * log_popularity
            + _ERA_BIAS * era[:, 0]
        ),
        taste=taste / sqrt(RANK),
        year=year,
    )


def film_features(rng: np.random.Generator, films: DemoFilms, rated: Int) -> Films:
    """Titles, years and one to three genres, those closest to the film's taste vector.

    Args:
        rated: (n_rated,) indices into `films` of the films to include, ascending.
    """
    n_films = len(films.year)
    direction = rng.normal(size=(len(GENRES), RANK))
    fit = films.taste @ direction.T + 0.5 * rng.normal(size=(n_films, len(GENRES)))
    ranks = np.argsort(np.argsort(-fit, axis=1), axis=1)
    genres = ranks < rng.integers(1, 4, n_films)[:, None]
    titles = [f"Film {i + 1} ({films.year[i]})" for i in rated.tolist()]
    return Films(
        ids=rated + 1,
        titles=np.array(titles, dtype=np.str_),
        year=films.year[rated],
        genres=genres[rated],
        genre_names=GENRES,
    )
