"""Finds a dataset by its name or folder, and says what it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from ...base.files import is_folder
from ...errors import DataError
from ..demo.generator import generator_state
from ..folder import data_folder
from ..formats.readers import SOURCE_FILES, read_folder
from ..ratings import Int, Ratings
from .download import find_downloaded
from .prepared import prepared, state_of_files
from .progress import download_visibly
from .registry import DATASETS, Source, find_dataset, usual_name

Fetch = Callable[[str, Path], Path]
PREPARED = "prepared"  # the data folder's own, of what was read once


def load_ratings(
    dataset: str, data_dir: Path | None = None, *, fetch: Fetch | None = download_visibly
) -> Ratings:
    """The ratings of a named dataset or of a folder. A name goes before a folder called the same.

    Args:
        data_dir: holds the named datasets. [default: `data_folder()`]
        fetch: called with name and `data_dir` where a named dataset is not there, as `download`
            is; None refuses instead.

    Raises:
        DataError: there is no such dataset, or it cannot be fetched or read.
    """
    source = find_dataset(dataset)
    data_dir = data_folder(data_dir)
    if source is None:
        folder = _folder(dataset)
        return _read_prepared(folder.resolve().name, folder, data_dir)
    if not isinstance(source, Source):
        return _generate_prepared(usual_name(dataset) or dataset, source, data_dir)
    found = find_downloaded(dataset, data_dir)
    if found is None:
        if fetch is None:
            raise DataError(
                f"{dataset} is not in {data_dir}; "
                f"run 'recsys-search data download {dataset}', or copy its folder there"
            )
        found = fetch(dataset, data_dir)
    return _read_prepared(dataset, found, data_dir)


def dataset_reference(dataset: str) -> str:
    """What names the dataset from any working folder: its name, or its folder's absolute path.

    Raises:
        DataError: there is no such dataset.
    """
    return usual_name(dataset) or str(_folder(dataset).resolve())


def list_datasets(data_dir: Path | None = None) -> list[dict[str, Any]]:
    """What `data list` shows: every named dataset, and its folder where it is there."""
    data_dir = data_folder(data_dir)
    return [_listed(name, source, data_dir) for name, source in DATASETS.items()]


def _listed(name: str, source: Source | Callable[[], Ratings], data_dir: Path) -> dict[str, Any]:
    published = source if isinstance(source, Source) else None
    folder = find_downloaded(name, data_dir) if published else None
    return {
        "name": name,
        "ratings": published and published.ratings,
        "users": published and published.users,
        "films": published and published.films,
        "there": folder is not None or published is None,
        "licence": published.licence if published else "none: it is generated",
        "readme": published and published.readme,
        "folder": folder and str(folder),
    }


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
        "noise_rmse": _noise_rmse(ratings),
    }


def _generate_prepared(name: str, generate: Callable[[], Ratings], data_dir: Path) -> Ratings:
    if name in DATASETS:  # the usual size takes no longer to generate than to open
        return generate()
    return prepared(
        name, source=name, version=generator_state, read=generate, cache=data_dir / PREPARED
    )


def _read_prepared(name: str, folder: Path, data_dir: Path) -> Ratings:
    absolute = folder.resolve()
    return prepared(
        name,
        source=str(absolute),
        version=lambda: f"{name} {state_of_files(folder / file for file in SOURCE_FILES)}",
        read=lambda: replace(read_folder(folder), name=name, folder=absolute),
        cache=data_dir / PREPARED,
    )


def _noise_rmse(ratings: Ratings) -> float | None:
    """RMSE that no model can beat, None where it is not known."""
    if ratings.expected is None:
        return None
    return sqrt(np.square(ratings.expected - ratings.rating).mean(dtype=np.float64))


def _folder(dataset: str) -> Path:
    try:
        path = Path(dataset).expanduser()
    except RuntimeError:  # no such user behind a ~
        path = Path(dataset)
    if dataset and is_folder(path):
        return path
    raise DataError(
        f"no dataset named {dataset!r}; choose from {', '.join(DATASETS)}, "
        "or name a folder that holds ratings.csv, ratings.dat or u.data"
    )


def _iso(second: np.int64) -> str:
    return datetime.fromtimestamp(int(second), UTC).isoformat()


def _median_and_max(index: Int, size: int) -> dict[str, float]:
    counts = np.bincount(index, minlength=size)
    return {"median": float(np.median(counts)), "max": int(counts.max())}
