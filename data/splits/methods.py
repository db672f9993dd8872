"""The methods that split ratings into train, validation and test.

A new method is a function that returns `Parts`, and a line in `METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import DataError
from ..ratings import Int, Ratings
from ..tables.ids import whole_number
from ..tables.sources import Source
from ..tables.table import Table
from .times import shared_boundaries, users_without_order

_FOLD_REMEDY = "take the official folds from the folder of MovieLens 100K (ml-100k)"


class Parts(NamedTuple):
    """Row numbers of each part, and sentences on ratings whose order the method could not know."""

    train: Int
    validation: Int
    test: Int
    n_users_kept_in_train: int = 0
    notes: tuple[str, ...] = ()


def fold_files(ratings: Ratings, names: tuple[str, ...]) -> list[Path]:
    """Paths of the dataset's official fold files.

    Raises:
        DataError: a file does not exist.
    """
    paths = [(ratings.folder or Path()) / name for name in names]
    if names and (ratings.folder is None or not all(path.is_file() for path in paths)):
        raise DataError(
            f"{ratings.folder or ratings.name} has no {' and '.join(names)}; {_FOLD_REMEDY}, or "
            "choose another split such as 80/10/10"
        )
    return paths


def _random(ratings: Ratings, *, train: float, validation: float, test: float, seed: int) -> Parts:
    """Draws the held-out ratings at random."""
    shuffled = np.random.default_rng(seed).permutation(len(ratings))
    return _cut_by_shares(shuffled, train, validation, test)


def _temporal(ratings: Ratings, *, train: float, validation: float, test: float) -> Parts:
    """Holds out the newest ratings of the dataset."""
    # A stable sort keeps ratings of the same second in the order of user and film on every run.
    order = np.argsort(_timestamps(ratings, "temporal"), kind="stable")
    parts = _cut_by_shares(order, train, validation, test)
    n_train, n_search = len(parts.train), len(parts.train) + len(parts.validation)
    boundaries = {"train and validation": n_train, "validation and test": n_search}
    return parts._replace(notes=shared_boundaries(ratings, order, boundaries))


def _leave_last_k(ratings: Ratings, *, k: int) -> Parts:
    """Holds out each user's newest ratings: k for test, and the k before them for validation."""
    name = f"leave-last-{k}"
    # Stable too: of a user's ratings in the same second, the one with the last film is the newest.
    order = np.lexsort((_timestamps(ratings, name), ratings.user))
    user = ratings.user[order]
    counts = np.bincount(user, minlength=ratings.n_users)
    min_count = 2 * k + 1
    if not (counts >= min_count).any():
        raise DataError(
            f"a {name} split needs users with at least {min_count} ratings, but no user in "
            f"{ratings.name} has more than {counts.max(initial=0)}; "
            "choose a smaller k, or another split such as 80/10/10"
        )
    age_rank = counts.cumsum()[user] - 1 - np.arange(len(order))  # 0 for the user's newest
    is_split = counts[user] >= min_count
    test = is_split & (age_rank < k)
    validation = is_split & ~test & (age_rank < 2 * k)
    n_kept = int(((counts > 0) & (counts < min_count)).sum())
    newest = np.flatnonzero(is_split & (age_rank == 0))
    oldest = newest + 1 - counts[user[newest]]
    boundary = (order[newest - 2 * k], order[newest - 2 * k + 1])
    notes = users_without_order(ratings, name, boundary, (order[oldest], order[newest]))
    return Parts(order[~(test | validation)], order[validation], order[test], n_kept, notes)


def _official_fold(
    ratings: Ratings, *, files: tuple[str, str], validation: float, seed: int
) -> Parts:
    """Takes MovieLens 100K's test file as test, and draws validation from its base file."""
    paths = fold_files(ratings, files)
    user_ids, film_ids = ratings.user_ids[ratings.user], ratings.films.ids[ratings.film]
    pairs = zip(user_ids.tolist(), film_ids.tolist(), strict=True)
    row_of = {pair: row for row, pair in enumerate(pairs)}
    base, test = (_read_fold(path, row_of, ratings.name) for path in paths)
    if not np.array_equal(np.sort(np.concatenate([base, test])), np.arange(len(ratings))):
        raise DataError(
            f"{paths[0]} and {paths[1].name} do not contain each of the {len(ratings)} ratings of "
            f"{ratings.name} exactly once; {_FOLD_REMEDY}"
        )
    # Sorted first, so that the draw depends on the seed and not on the order of lines.
    shuffled = np.random.default_rng(seed).permutation(np.sort(base))
    drawn, train = np.split(shuffled, [round(len(base) * validation)])
    _check_not_empty(len(base), train=(1 - validation, train), validation=(validation, drawn))
    return Parts(train, drawn, test)


def _cut_by_shares(order: Int, train: float, validation: float, test: float) -> Parts:
    """Consecutive pieces of the ordered rows."""
    n = len(order)
    n_train = round(n * train)
    # Without a test part, a row left over by rounding goes to validation.
    n_validation = round(n * validation) if test else n - n_train
    train_rows, validation_rows, test_rows = np.split(order, [n_train, n_train + n_validation])
    _check_not_empty(
        n,
        train=(train, train_rows),
        validation=(validation, validation_rows),
        test=(test, test_rows),
    )
    return Parts(train_rows, validation_rows, test_rows)


def _read_fold(path: Path, row_of: dict[tuple[int, int], int], dataset: str) -> Int:
    """Row numbers of the ratings in a fold's file."""
    names = ("userId", "movieId", "rating", "timestamp")
    table = Table.without_header(Source(path), "\t", names)
    rows = []
    for line in table.rows():
        location = table.location(line.line)
        user, film = (whole_number(table.field(line, name), location, name) for name in names[:2])
        if (row := row_of.get((user, film))) is None:
            raise DataError(
                f"{location}: {dataset} has no rating of film {film} by user {user}; {_FOLD_REMEDY}"
            )
        rows.append(row)
    if not rows:
        raise DataError(f"{path} is empty; {_FOLD_REMEDY}")
    return np.array(rows, np.int64)


def _timestamps(ratings: Ratings, split: str) -> Int:
    if ratings.timestamp is None:
        raise DataError(
            f"{ratings.name} has no timestamps, which a {split} split needs; add a timestamp "
            "column, or choose a split that does not use time, such as 80/10/10"
        )
    return ratings.timestamp


def _check_not_empty(n: int, **parts: tuple[float, Int]) -> None:
    for name, (share, rows) in parts.items():
        if share and not len(rows):
            raise DataError(
                f"{n} ratings are too few for the split: its {name} part of {100 * share:g} % is "
                "empty; use more ratings or a larger share"
            )


class Method(NamedTuple):
    """A way to split.

    Attributes:
        cut: called with the ratings and a keyword for each name in `defaults`.
        defaults: the fields of `SplitSpec` that the method takes, with their defaults. A method
            that takes a seed is a random one.
        forms: format strings of these fields, shares in percent. `SplitSpec.parse` reads all of
            them; the first is how a spec is printed.
        files: of the dataset's folder; the split's fingerprint covers their content.
    """

    cut: Callable[..., Parts]
    defaults: dict[str, float]
    forms: tuple[str, ...]
    files: tuple[str, ...] = ()


def _fold_method(fold: str) -> Method:
    files = (f"{fold}.base", f"{fold}.test")
    cut = partial(_official_fold, files=files)
    return Method(cut, {"validation": 0.1, "seed": 42}, (fold,), files)


SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}

_PERCENT = "{train:g}/{validation:g}/{test:g}"

METHODS = {
    "random": Method(_random, {**SHARES, "seed": 42}, (_PERCENT, f"random:{_PERCENT}")),
    "temporal": Method(_temporal, SHARES, (f"temporal:{_PERCENT}",)),
    "leave-last-k": Method(_leave_last_k, {"k": 1}, ("leave-last-{k}",)),
    **{fold: _fold_method(fold) for fold in ("u1", "u2", "u3", "u4", "u5", "ua", "ub")},
}
