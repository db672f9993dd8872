"""Cuts ratings into train, validation and a sealed test part.

method         field -> default                          what is held out
random         train, validation, test 80/10/10; seed    ratings drawn by chance
temporal       train, validation, test 80/10/10          the newest ratings of all
leave-last-k   k 1                                       each user's newest ratings
u1..u5 ua ub   validation 10 % of the base part; seed    MovieLens 100K's official test files
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...errors import DataError
from ..formats.tables import ID_REMEDY, Table
from ..ratings import Int, Ratings

if TYPE_CHECKING:
    from .spec import SplitSpec


_FOLD_REMEDY = "take the official folds from the folder of MovieLens 100K (ml-100k)"


class Parts(NamedTuple):
    """Row numbers of each part."""

    train: Int
    validation: Int
    test: Int
    n_users_kept_in_train: int = 0


def _random(ratings: Ratings, spec: SplitSpec) -> Parts:
    shuffled = np.random.default_rng(spec.seed).permutation(len(ratings))
    return _by_shares(shuffled, spec)


def _temporal(ratings: Ratings, spec: SplitSpec) -> Parts:
    # Stable: ratings of the same second stay in the order of user and film, run after run.
    return _by_shares(np.argsort(_timestamps(ratings, spec), kind="stable"), spec)


def _by_shares(order: Int, spec: SplitSpec) -> Parts:
    assert spec.train is not None and spec.validation is not None and spec.test is not None
    n = len(order)
    n_train = round(n * spec.train)
    # Without a test part the row that rounding may leave over belongs to validation.
    n_validation = round(n * spec.validation) if spec.test else n - n_train
    train, validation, test = np.split(order, [n_train, n_train + n_validation])
    _check_filled(
        n,
        train=(spec.train, train),
        validation=(spec.validation, validation),
        test=(spec.test, test),
    )
    return Parts(train, validation, test)


def _leave_last_k(ratings: Ratings, spec: SplitSpec) -> Parts:
    assert spec.k is not None
    # Stable as well: among ratings of the same second a user's last is the one of the last film.
    order = np.lexsort((_timestamps(ratings, spec), ratings.user))
    user = ratings.user[order]
    counts = np.bincount(user, minlength=ratings.n_users)
    least = 2 * spec.k + 1
    if not (counts >= least).any():
        raise DataError(
            f"a {spec} split needs users with at least {least} ratings, and nobody in "
            f"{ratings.name} has more than {counts.max(initial=0)}; "
            "choose a smaller k, or another split such as 80/10/10"
        )
    from_last = counts.cumsum()[user] - 1 - np.arange(len(order))  # 0: the user's newest
    cut = counts[user] >= least
    test = cut & (from_last < spec.k)
    validation = cut & ~test & (from_last < 2 * spec.k)
    kept = int(((counts > 0) & (counts < least)).sum())
    return Parts(order[~(test | validation)], order[validation], order[test], kept)


def _official_fold(ratings: Ratings, spec: SplitSpec) -> Parts:
    assert spec.validation is not None
    paths = fold_files(ratings, METHODS[spec.method].files)
    user_ids, film_ids = ratings.user_ids[ratings.user], ratings.films.ids[ratings.film]
    pairs = zip(user_ids.tolist(), film_ids.tolist(), strict=True)
    row_of = {pair: row for row, pair in enumerate(pairs)}
    base, test = (_rows_listed(path, row_of, ratings.name) for path in paths)
    if not np.array_equal(np.sort(np.concatenate([base, test])), np.arange(len(ratings))):
        raise DataError(
            f"{paths[0]} and {paths[1].name} do not hold each of the {len(ratings)} ratings of "
            f"{ratings.name} once; {_FOLD_REMEDY}"
        )
    # Sorted first: the seed alone decides, not the order of lines.
    shuffled = np.random.default_rng(spec.seed).permutation(np.sort(base))
    share, n_validation = spec.validation, round(len(base) * spec.validation)
    validation, train = np.split(shuffled, [n_validation])
    _check_filled(len(base), train=(1 - share, train), validation=(share, validation))
    return Parts(train, validation, test)


def _rows_listed(path: Path, row_of: dict[tuple[int, int], int], dataset: str) -> Int:
    """The rows of the ratings that a fold's file lists."""
    table = Table(path, ("userId", "movieId", "rating", "timestamp"), separator="\t")
    rows = []
    for line in table.rows():
        user, film = (table.whole_number(line, name, ID_REMEDY) for name in ("userId", "movieId"))
        if (row := row_of.get((user, film))) is None:
            raise DataError(
                f"{table.at(line.line)}: user {user} rates film {film}, which {dataset} does not "
                f"hold; {_FOLD_REMEDY}"
            )
        rows.append(row)
    if not rows:
        raise DataError(f"{path} is empty; {_FOLD_REMEDY}")
    return np.array(rows, np.int64)


def fold_files(ratings: Ratings, names: tuple[str, ...]) -> list[Path]:
    paths = [(ratings.folder or Path()) / name for name in names]
    if names and (ratings.folder is None or not all(path.is_file() for path in paths)):
        where = f"{ratings.name} has" if ratings.folder is None else f"{ratings.folder} holds"
        raise DataError(
            f"{where} no {' and '.join(names)}; {_FOLD_REMEDY}, or choose another split such as "
            "80/10/10"
        )
    return paths


def _timestamps(ratings: Ratings, spec: SplitSpec) -> Int:
    if ratings.timestamp is None:
        raise DataError(
            f"{ratings.name} has no timestamps, which a {spec} split needs; bring them in a column "
            "timestamp, or choose a split without time such as 80/10/10"
        )
    return ratings.timestamp


def _check_filled(n: int, **parts: tuple[float, Int]) -> None:
    for name, (share, rows) in parts.items():
        if share and not len(rows):
            raise DataError(
                f"{n} ratings are too few for the split: {name}'s {100 * share:g} % comes out "
                "empty; bring more ratings or enlarge its share"
            )


class Method(NamedTuple):
    cut: Callable[[Ratings, SplitSpec], Parts]
    takes: dict[str, float]  # field -> default
    text: str  # as `SplitSpec.parse` takes it, shares in percent
    files: tuple[str, ...] = ()  # of the dataset's folder: the base part, the test part


SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


_PERCENT = "{train:g}/{validation:g}/{test:g}"


FOLDS = ("u1", "u2", "u3", "u4", "u5", "ua", "ub")


METHODS = {
    "random": Method(_random, {**SHARES, "seed": 42}, _PERCENT),
    "temporal": Method(_temporal, SHARES, f"temporal:{_PERCENT}"),
    "leave-last-k": Method(_leave_last_k, {"k": 1}, "leave-last-{k}"),
    **{
        fold: Method(
            _official_fold,
            {"validation": 0.1, "seed": 42},
            fold,
            files=(f"{fold}.base", f"{fold}.test"),
        )
        for fold in FOLDS
    },
}
