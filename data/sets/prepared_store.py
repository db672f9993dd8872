"""Ratings that were read once, kept as memory-mapped columns that open at once.

CACHE/NAME-SOURCE-VERSION/meta.json         name, folder, scale, genres' names, fingerprint
CACHE/NAME-SOURCE-VERSION/user.npy, ...     one column each, as `Ratings` and `Films` have them

SOURCE stands for where the ratings come from, VERSION for the state they were read in: what has
changed there is read again, and what was kept of earlier states is removed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ratings import Films, Ratings, Scale
from .atomic_folders import move_into_place, work_folder

FORMAT = 1  # to be raised whenever a kept column means something else
META = "meta.json"

_LONGEST_LABEL = 40  # characters of the name, in the folder's
_FILM_COLUMNS = ("titles", "year", "genres")
_RATING_COLUMNS = ("user_ids", "user", "film", "rating", "timestamp", "expected")


def prepared(
    name: str,
    *,
    source: str,
    version: Callable[[], str],
    read: Callable[[], Ratings],
    cache: Path,
) -> Ratings:
    """What `read` gives, from the cache where it was kept there before.

    Where nothing can be kept, be it for rights or for room, the ratings are as good, and read anew
    each time.

    Args:
        source: where the ratings come from; its earlier versions are forgotten.
        version: differs whenever `read` may give something else, and while it reads.
        cache: a folder, made where it is not there.
    """
    before = version()
    label = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:_LONGEST_LABEL]
    of_source = f"{label}-{_short_hash(source)}"
    target = cache / f"{of_source}-{_short_hash(f'{FORMAT} {before}')}"
    if (kept := _opened(target)) is not None:
        return kept
    ratings = read()
    if version() != before:  # a file that is being written: no telling which state was read
        return ratings
    try:
        with work_folder(cache, label) as work:
            save_columns(ratings, work / "columns")
            for earlier in cache.glob(f"{of_source}-*"):
                rmtree(earlier, ignore_errors=True)
            move_into_place(work / "columns", target, whole=lambda: _opened(target) is not None)
    except OSError:
        return ratings
    return _opened(target) or ratings


def save_columns(ratings: Ratings, folder: Path) -> None:
    """Writes a new folder, on the disk when this returns."""
    folder.mkdir()
    columns = {name: getattr(ratings, name) for name in _RATING_COLUMNS}
    columns["film_ids"] = ratings.films.ids
    columns |= {name: getattr(ratings.films, name) for name in _FILM_COLUMNS}
    columns = {name: column for name, column in columns.items() if column is not None}
    for name, column in columns.items():
        with (folder / f"{name}.npy").open("wb") as file:
            np.save(file, column, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
    meta = {
        "columns": list(columns),
        "name": ratings.name,
        "folder": ratings.folder and str(ratings.folder),
        "scale": list(ratings.scale),
        "genre_names": list(ratings.films.genre_names),
        "fingerprint": ratings.fingerprint,
    }
    with (folder / META).open("w", encoding="utf-8") as file:
        json.dump(meta, file)
        file.flush()
        os.fsync(file.fileno())


def open_columns(folder: Path) -> Ratings:
    """What `save_columns` wrote. Columns are read when they are looked at; writing to them changes
    this process's copy alone.

    Raises:
        Exception: it is not there, or not whole.
    """
    meta: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
    columns = {name: _mapped(folder / f"{name}.npy") for name in meta["columns"]}
    films = Films(
        ids=columns["film_ids"],
        titles=columns.get("titles"),
        year=columns["year"],
        genres=columns["genres"],
        genre_names=tuple(meta["genre_names"]),
    )
    ratings = Ratings(
        name=meta["name"],
        user_ids=columns["user_ids"],
        films=films,
        user=columns["user"],
        film=columns["film"],
        rating=columns["rating"],
        timestamp=columns.get("timestamp"),
        scale=Scale(*meta["scale"]),
        expected=columns.get("expected"),
        folder=None if meta["folder"] is None else Path(meta["folder"]),
    )
    columns_of_rows = (ratings.user, ratings.film, ratings.timestamp, ratings.expected)
    if any(column is not None and len(column) != len(ratings) for column in columns_of_rows):
        raise ValueError(f"{folder} holds columns of different lengths")
    # Where `cached_property` keeps it: working it out reads every column.
    ratings.__dict__["fingerprint"] = meta["fingerprint"]
    return ratings


def files_version(paths: Iterable[Path]) -> str:
    """Text that differs when a file was written to, replaced or touched, or came or went."""
    return "\n".join(f"{path.name} {_state(path)}" for path in paths)


def _state(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError as error:
        return str(error.errno)
    return f"{stat.st_size} {stat.st_ino} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _opened(folder: Path) -> Ratings | None:
    """None where it is not there, or damaged: it is then read anew."""
    try:
        return open_columns(folder)
    except Exception:  # numpy's errors on a damaged header are of many kinds
        return None


def _mapped(path: Path) -> NDArray[Any]:
    column: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    return np.asarray(column)


def _short_hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]
