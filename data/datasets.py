"""Finds a dataset by its name or folder, and says what it holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .demo import demo_ratings
from .ratings import Int, Ratings
from .readers import is_folder, read_folder

DATASETS: dict[str, Callable[[], Ratings]] = {"demo": demo_ratings}


def load_ratings(dataset: str) -> Ratings:
    """The ratings of a named dataset or of a folder. A name goes before a folder called the same.

    Raises:
        DataError: there is no such dataset, or it cannot be read.
    """
    if generate := DATASETS.get(dataset):
        return generate()
    return read_folder(_folder(dataset))


def dataset_reference(dataset: str) -> str:
    """What names the dataset from any working folder: its name, or its folder's absolute path.

    Raises:
        DataError: there is no such dataset.
    """
    return dataset if dataset in DATASETS else str(_folder(dataset).resolve())


def summarise(ratings: Ratings) -> dict[str, Any]:
    """What `data info` shows, in values that JSON can hold; times are UTC, unknown ones None."""
    films, times = ratings.films, ratings.timestamp
    return {
        "name": ratings.name,
        "ratings": len(ratings),
        "users": ratings.n_users,
        "films": ratings.n_films,
        "density": len(ratings) / (ratings.n_users * ratings.n_films),
        "scale": list(ratings.scale),
        "mean_rating": float(ratings.rating.mean(dtype=np.float64)),
        "first_rating_at": None if times is None else _iso(times.min()),
        "last_rating_at": None if times is None else _iso(times.max()),
        "genres": list(films.genre_names),
        "films_with_year": int((films.year > 0).sum()),
        "ratings_per_user": _median_and_max(ratings.user, ratings.n_users),
        "ratings_per_film": _median_and_max(ratings.film, ratings.n_films),
        "fingerprint": ratings.fingerprint,
        "noise_rmse": ratings.noise_rmse,
    }


def _folder(dataset: str) -> Path:
    try:
        path = Path(dataset).expanduser()
    except RuntimeError:  # no such user behind a ~
        path = Path(dataset)
    if dataset and is_folder(path):
        return path
    raise DataError(
        f"no dataset named {dataset!r}; choose {', '.join(DATASETS)}, "
        "or name a folder that holds ratings.csv"
    )


def _iso(second: np.int64) -> str:
    return datetime.fromtimestamp(int(second), UTC).isoformat()


def _median_and_max(index: Int, size: int) -> dict[str, float]:
    counts = np.bincount(index, minlength=size)
    return {"median": float(np.median(counts)), "max": int(counts.max())}
