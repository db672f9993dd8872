"""Summaries of the named datasets and of one dataset, in values that JSON can hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from ..data_folder import data_folder
from ..ratings import Int, Ratings
from .download import find_downloaded
from .registry import DATASETS, Source


def list_datasets(data_dir: Path | None = None) -> list[dict[str, Any]]:
    """What `data list` shows: every named dataset, with its folder if it is downloaded."""
    data_dir = data_folder(data_dir)
    return [_describe(name, source, data_dir) for name, source in DATASETS.items()]


def _describe(name: str, source: Source | Callable[[], Ratings], data_dir: Path) -> dict[str, Any]:
    published = source if isinstance(source, Source) else None
    folder = find_downloaded(name, data_dir) if published else None
    return {
        "name": name,
        "ratings": published and published.ratings,
        "users": published and published.users,
        "films": published and published.films,
        "downloaded": folder is not None or published is None,
        "licence": published.licence if published else "none: it is generated",
        "readme": published and published.readme,
        "folder": folder and str(folder),
    }


def summarise(ratings: Ratings) -> dict[str, Any]:
    """What `data info` shows; times are UTC, unknown values None."""
    films, users, times = ratings.films, ratings.users, ratings.timestamp
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
        "user_groups": [] if users is None else list(users.group_names),
        "users_with_age": 0 if users is None else int((users.age > 0).sum()),
        "ratings_per_user": _median_and_max(ratings.user, ratings.n_users),
        "ratings_per_film": _median_and_max(ratings.film, ratings.n_films),
        "fingerprint": ratings.fingerprint,
        "noise_rmse": _noise_rmse(ratings),
        "notes": list(ratings.notes),
    }


def _noise_rmse(ratings: Ratings) -> float | None:
    """RMSE that no model can beat, or None if unknown."""
    if ratings.expected is None:
        return None
    return sqrt(np.square(ratings.expected - ratings.rating).mean(dtype=np.float64))


def _iso(second: np.int64) -> str:
    return datetime.fromtimestamp(int(second), UTC).isoformat()


def _median_and_max(index: Int, size: int) -> dict[str, float]:
    counts = np.bincount(index, minlength=size)
    return {"median": float(np.median(counts)), "max": int(counts.max())}
