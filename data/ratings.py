"""Ratings as columns, with contiguous user and film indices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Ids = NDArray[Any]  # int64, or str for ids that are text
Float = NDArray[np.float32]


STARS_SPAN = 4.5  # MovieLens' scale: half a star to five


class Scale(NamedTuple):
    """Lowest and highest rating in the dataset, in the dataset's own units."""

    low: float
    high: float

    @property
    def span(self) -> float:
        return self.high - self.low

    @property
    def star(self) -> float:
        """What one star of MovieLens' scale is worth on this scale, in the ratings' units.

        1 if the ratings are taken for stars (1 to 5, 0.5 to 5, 0 to 5); about 22 if they run from 0
        to 100.
        """
        if 3 <= self.span <= 5 or self.span == 0:
            return 1.0
        return self.span / STARS_SPAN


@dataclass(frozen=True, kw_only=True, eq=False)
class Films:
    """Features of each film.

    Attributes:
        ids: (n_films,) the dataset's own film ids, whole numbers or text, ascending; a film's index
            is its position here.
        titles: (n_films,) "" if unknown; None if the dataset has no titles.
        year: (n_films,) year of release, 0 if unknown.
        genres: (n_films, n_genres) bool, in the order of `genre_names`.
    """

    ids: Ids
    titles: NDArray[np.str_] | None
    year: NDArray[np.int16]
    genres: NDArray[np.bool_]
    genre_names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Users:
    """Features of each user, in the order of `Ratings.user_ids`.

    Attributes:
        age: (n_users,) years, 0 if unknown.
        groups: (n_users, n_groups) bool, in the order of `group_names`.
        group_names: such as `gender F` and `occupation writer`.
    """

    age: NDArray[np.int16]
    groups: NDArray[np.bool_]
    group_names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ratings:
    """Ratings sorted by (user id, film id), without duplicate pairs.

    Attributes:
        name: of the dataset, or of its folder.
        user_ids: (n_users,) the dataset's own user ids, whole numbers or text, ascending; a user's
            index is its position here.
        films: features of every rated film.
        users: features of every user; None if the dataset has none.
        user, film: (n,) indices into `user_ids` and `films.ids`.
        rating: (n,) in the dataset's own units, finite.
        timestamp: (n,) seconds since 1970, or None if the dataset has none.
        scale: lowest and highest rating of the whole dataset, even if this is a part of it.
        expected: (n,) expected rating of each row given everything but its noise: the best
            possible prediction for an unseen row. Known for generated ratings only.
        folder: the dataset's folder with all its files; None for generated ratings.
        prepared: folder of these columns, in which what is derived from them is kept; None for
            ratings that are not prepared and for a part of them.
        notes: sentences on what was changed or unusual when the ratings were read.
    """

    name: str
    user_ids: Ids
    films: Films
    user: Int
    film: Int
    rating: Float
    timestamp: Int | None
    scale: Scale
    expected: Float | None = None
    users: Users | None = None
    folder: Path | None = None
    prepared: Path | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rating)

    @property
    def n_users(self) -> int:
        return len(self.user_ids)

    @property
    def n_films(self) -> int:
        return len(self.films.ids)

    def take(self, rows: Int) -> Ratings:
        """The ratings at `rows`, with unchanged indices and scale."""
        return replace(
            self,
            user=self.user[rows],
            film=self.film[rows],
            rating=self.rating[rows],
            timestamp=None if self.timestamp is None else self.timestamp[rows],
            expected=None if self.expected is None else self.expected[rows],
            prepared=None,
        )

    def union(self, other: Ratings) -> Ratings:
        """The union of two parts of a dataset, sorted like the dataset.

        Args:
            other: a part with the same indices and no rating in common with this one.
        """
        columns: dict[str, Any] = {}
        for name in ("user", "film", "rating", "timestamp", "expected"):
            ours, theirs = getattr(self, name), getattr(other, name)
            columns[name] = None if ours is None else np.concatenate([ours, theirs])
        union = replace(self, **columns)
        return union.take(np.argsort(union.user * union.n_films + union.film))

    @cached_property
    def rows_by_user(self) -> Int:
        """(n,) row numbers sorted by user, then by time if there are timestamps."""
        return _sort_by_time(self.user, self.timestamp)

    @cached_property
    def rows_by_film(self) -> Int:
        """(n,) row numbers sorted by film, then by time if there are timestamps."""
        return _sort_by_time(self.film, self.timestamp)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change when any id, rating, time or feature of a film or user changes.

        Titles and the names of genres and groups do not count, since no model reads them.
        """
        films = self.films
        columns: list[NDArray[Any]] = [self.user_ids, films.ids, films.genres, films.year]
        columns += [self.user, self.film, self.rating]
        if self.timestamp is not None:
            columns.append(self.timestamp)
        if self.users is not None:
            columns += [self.users.age, self.users.groups]
        digest = sha256()
        for column in columns:
            digest.update(f"{column.dtype.str}{column.shape}".encode())
            digest.update(np.ascontiguousarray(column).data)
        return digest.hexdigest()[:16]


def _sort_by_time(index: Int, timestamp: Int | None) -> Int:
    """(n,) rows sorted by index, then timestamp, then row."""
    if timestamp is None or not len(index):
        return np.argsort(index, kind="stable")
    first, last = int(timestamp.min()), int(timestamp.max())
    span = last - first + 1
    if (int(index.max()) + 1) * span > np.iinfo(np.int64).max:
        return np.lexsort((timestamp, index))
    # Sorting one combined key takes a third of the time of `lexsort`.
    return np.argsort(index * span + (timestamp - first), kind="stable")
