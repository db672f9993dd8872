"""The train ratings on the training device, by row, by user and by film."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from ...data.ratings import Int, Ratings, Scale
from .bias_fit import Biases, fit_biases
from .grouping import Grouping


@dataclass(frozen=True)
class Pairs:
    """User-film pairs whose ratings a model predicts.

    Attributes:
        user, film: (batch,) indices; -1 if the dataset does not contain it.
        timestamp: (batch,) seconds since 1970, or None if unknown.
        row: (batch,) the pair's own row in the train store, which a model must not use;
            -1 if the pair is not a train rating.
    """

    user: Tensor
    film: Tensor
    timestamp: Tensor | None
    row: Tensor

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, which: slice | Tensor) -> Pairs:
        """The pairs at these positions."""
        return self._map(lambda column: column[which])

    def to(self, device: torch.device) -> Pairs:
        return self._map(lambda column: column.to(device))

    def _map(self, change: Callable[[Tensor], Tensor]) -> Pairs:
        timestamp = None if self.timestamp is None else change(self.timestamp)
        return Pairs(change(self.user), change(self.film), timestamp, change(self.row))


def both_in(known: tuple[Tensor, Tensor], pairs: Pairs) -> Tensor:
    """(batch,) whether both the user and the film are known.

    Args:
        known: (n_users,) and (n_films,) whether each user and each film is.
    """
    users, films = known
    is_known_user = users[pairs.user] & (pairs.user >= 0)
    return is_known_user & films[pairs.film] & (pairs.film >= 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainStore:
    """Train ratings on the training device: the only source of a model's statistics.

    Attributes:
        user, film: (n,) indices.
        rating: (n,) stars.
        timestamp: (n,) seconds since 1970, or None.
        by_user, by_film: the same rows, grouped.
        mean: mean of the train ratings.
        scale: lowest and highest rating of the dataset.
        biases: the baseline, fitted on these rows.
        genres: (n_films, n_genres) 0 or 1.
        year: (n_films,) year of release, 0 where unknown.
        groups: (n_users, n_groups) 0 or 1.
        age: (n_users,) years, 0 where unknown.
    """

    user: Tensor
    film: Tensor
    rating: Tensor
    timestamp: Tensor | None
    by_user: Grouping
    by_film: Grouping
    mean: float
    scale: Scale
    biases: Biases
    genres: Tensor
    year: Tensor
    groups: Tensor
    age: Tensor

    def __len__(self) -> int:
        return len(self.rating)

    @property
    def n_users(self) -> int:
        return len(self.by_user.offsets) - 1

    @property
    def n_films(self) -> int:
        return len(self.by_film.offsets) - 1

    @property
    def device(self) -> torch.device:
        return self.rating.device

    @classmethod
    def of(cls, train: Ratings, device: torch.device) -> TrainStore:
        """The store of these ratings.

        On a CPU all trainings of a process share one, for as long as the ratings are in use: it
        consists mostly of their columns. On a GPU each has its own, so that a training leaves no
        memory behind.
        """
        if device.type != "cpu":
            return cls.build(train, device)
        if (store := _stores.get(train)) is None:
            store = _stores[train] = cls.build(train, device)
        return store

    @classmethod
    def build(cls, train: Ratings, device: torch.device) -> TrainStore:
        """Copy the ratings to the device and group them."""
        rating = torch.from_numpy(train.rating).to(device)
        films, users = train.films, train.users
        groups = np.zeros((train.n_users, 0), bool) if users is None else users.groups
        age = np.zeros(train.n_users, np.int16) if users is None else users.age
        by_user = Grouping.build(train.rows_by_user, train.user, train.film, train.n_users, device)
        by_film = Grouping.build(train.rows_by_film, train.film, train.user, train.n_films, device)
        biases = fit_biases(rating, by_user, by_film)
        return cls(
            user=torch.from_numpy(train.user).to(device),
            film=torch.from_numpy(train.film).to(device),
            rating=rating,
            timestamp=_to_device(train.timestamp, device),
            by_user=by_user,
            by_film=by_film,
            mean=float(biases.mean),
            scale=train.scale,
            biases=biases,
            genres=torch.from_numpy(films.genres).to(device, torch.float32),
            year=torch.from_numpy(films.year).to(device, torch.int64),
            groups=torch.from_numpy(groups).to(device, torch.float32),
            age=torch.from_numpy(age).to(device, torch.int64),
        )

    def pairs(self, rows: Tensor) -> Pairs:
        """The train ratings at `rows`, each with its own row, which a prediction leaves out."""
        timestamp = None if self.timestamp is None else self.timestamp[rows]
        return Pairs(self.user[rows], self.film[rows], timestamp, rows)

    def held_out(self, ratings: Ratings) -> Pairs:
        """Ratings of another part of the split, none of them a train rating."""
        return Pairs(
            torch.from_numpy(ratings.user),
            torch.from_numpy(ratings.film),
            None if ratings.timestamp is None else torch.from_numpy(ratings.timestamp),
            torch.full((len(ratings),), -1, dtype=torch.int64),
        ).to(self.device)

    def rows_of(self, user: Tensor, film: Tensor) -> Tensor:
        """(batch,) train row of each pair, -1 if it has none."""
        # Rows are sorted by (user, film), so their keys ascend.
        keys = self.user * self.n_films + self.film
        wanted = user * self.n_films + film
        place = torch.searchsorted(keys, wanted).clamp(max=len(self) - 1)
        found = (keys[place] == wanted) & (user >= 0) & (film >= 0)
        return torch.where(found, place, -1)

    @property
    def have_ratings(self) -> tuple[Tensor, Tensor]:
        """(n_users,) and (n_films,) whether each user and each film has train ratings."""
        return self.by_user.counts > 0, self.by_film.counts > 0

    def are_known(self, pairs: Pairs) -> Tensor:
        """(batch,) whether both the user and the film have train ratings."""
        return both_in(self.have_ratings, pairs)


def _to_device(column: Int | None, device: torch.device) -> Tensor | None:
    return None if column is None else torch.from_numpy(column).to(device)


_stores: WeakKeyDictionary[Ratings, TrainStore] = WeakKeyDictionary()  # on the CPU
