"""A cache of ratings as memory-mapped columns, which open instantly.

CACHE/NAME-SOURCE-VERSION/meta.json         name, folder, scale, names of genres and groups
CACHE/NAME-SOURCE-VERSION/user.npy, ...     one file per column of `Ratings`, `Films` and `Users`
CACHE/NAME-SOURCE-VERSION/split-.../        see `prepared_splits`

SOURCE is a hash of where the ratings come from, VERSION of the state of that source. If the source
changes, it is read again and earlier versions are removed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

from ..ratings import Films, Ratings, Scale, Users
from .atomic_folders import move_into_place, temporary_folder
from .column_files import check_lengths, open_columns, save_columns

FORMAT = 3  # increase it whenever the meaning of a stored column changes

_MAX_LABEL_LENGTH = 40  # of the dataset's name in the folder's name
_FILM_COLUMNS = ("titles", "year", "genres")
_RATING_COLUMNS = ("user_ids", "user", "film", "rating", "timestamp", "expected")


def load_prepared(
    name: str,
    *,
    source: str,
    version: Callable[[], str],
    read: Callable[[], Ratings],
    cache: Path,
) -> Ratings:
    """The result of `read`, from the cache if possible.

    If the cache cannot be written (no permission, no space), the ratings are read each time.

    Args:
        source: where the ratings come from; earlier versions of it are removed.
        version: changes whenever `read` may return something else, even during the read.
        cache: a folder, created if needed.
    """
    initial_version = version()
    label = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:_MAX_LABEL_LENGTH]
    prefix = f"{label}-{_short_hash(source)}"
    target = cache / f"{prefix}-{_short_hash(f'{FORMAT} {initial_version}')}"
    if (stored := _try_open(target)) is not None:
        return stored
    ratings = read()
    if version() != initial_version:  # a file changed meanwhile, so the state read is unknown
        return ratings
    try:
        with temporary_folder(cache, label) as temporary:
            save_ratings(ratings, temporary / "columns")
            for earlier in cache.glob(f"{prefix}-*"):
                rmtree(earlier, ignore_errors=True)
            move_into_place(
                temporary / "columns", target, is_complete=lambda: _try_open(target) is not None
            )
    except OSError:
        return ratings
    return _try_open(target) or ratings


def save_ratings(ratings: Ratings, folder: Path) -> None:
    """Write the columns to a new folder, synced to disk."""
    columns = {name: getattr(ratings, name) for name in _RATING_COLUMNS}
    columns["film_ids"] = ratings.films.ids
    columns |= {name: getattr(ratings.films, name) for name in _FILM_COLUMNS}
    if (users := ratings.users) is not None:
        columns |= {"user_age": users.age, "user_groups": users.groups}
    meta = {
        "name": ratings.name,
        "folder": ratings.folder and str(ratings.folder),
        "scale": list(ratings.scale),
        "genre_names": list(ratings.films.genre_names),
        "group_names": None if users is None else list(users.group_names),
        "fingerprint": ratings.fingerprint,
        "notes": list(ratings.notes),
    }
    save_columns(folder, columns, meta)


def open_ratings(folder: Path) -> Ratings:
    """The ratings that `save_ratings` wrote, with memory-mapped columns.

    Raises:
        Exception: the folder is missing or damaged.
    """
    columns, meta = open_columns(folder)
    films = Films(
        ids=columns["film_ids"],
        titles=columns.get("titles"),
        year=columns["year"],
        genres=columns["genres"],
        genre_names=tuple(meta["genre_names"]),
    )
    users = None
    if meta["group_names"] is not None:
        users = Users(
            age=columns["user_age"],
            groups=columns["user_groups"],
            group_names=tuple(meta["group_names"]),
        )
    ratings = Ratings(
        name=meta["name"],
        user_ids=columns["user_ids"],
        films=films,
        users=users,
        user=columns["user"],
        film=columns["film"],
        rating=columns["rating"],
        timestamp=columns.get("timestamp"),
        scale=Scale(*meta["scale"]),
        expected=columns.get("expected"),
        folder=None if meta["folder"] is None else Path(meta["folder"]),
        prepared=folder,
        notes=tuple(meta["notes"]),
    )
    check_lengths(
        folder, ratings.user, ratings.film, ratings.rating, ratings.timestamp, ratings.expected
    )
    # Set the `cached_property`, because computing it would read every column.
    ratings.__dict__["fingerprint"] = meta["fingerprint"]
    return ratings


def files_version(paths: Iterable[Path]) -> str:
    """Text that changes when a file is written, replaced, touched, created or removed."""
    return "\n".join(f"{path.name} {_file_version(path)}" for path in paths)


def _file_version(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError as error:
        return str(error.errno)
    return f"{stat.st_size} {stat.st_ino} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _try_open(folder: Path) -> Ratings | None:
    """The stored ratings, or None if the folder is missing or damaged."""
    try:
        return open_ratings(folder)
    except Exception:  # numpy raises many kinds of errors on a damaged header
        return None


def _short_hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]
