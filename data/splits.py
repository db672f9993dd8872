"""Cuts ratings into train, validation and a sealed test part.

method         field -> default                          what is held out
random         train, validation, test 80/10/10; seed    ratings drawn by chance
temporal       train, validation, test 80/10/10          the newest ratings of all
leave-last-k   k 1                                       each user's newest ratings
u1..u5 ua ub   validation 10 % of the base part; seed    MovieLens 100K's official test files
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from math import isclose
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from ..errors import DataError, OptionError, one_line, quoted
from ..strict import Count, Number, Seed, refuse_unknown
from .ratings import Int, Ratings
from .tables import ID_REMEDY, Table

_FOLD_REMEDY = "take the official folds from the folder of MovieLens 100K (ml-100k)"


def _known(method: str) -> str:
    if method not in METHODS:
        raise ValueError(f"no split named {quoted(method)}; choose from {', '.join(METHODS)}")
    return method


@dataclass(frozen=True, kw_only=True)
class SplitSpec:
    """How to cut. A field is None where the method does not take it, and its default otherwise."""

    method: Annotated[str, AfterValidator(_known)] = "random"
    train: Annotated[Number, Field(gt=0, le=1)] | None = None  # share of the ratings
    validation: Annotated[Number, Field(gt=0, lt=1)] | None = None
    test: Annotated[Number, Field(ge=0, le=1)] | None = None
    k: Count | None = None  # ratings per user in validation, and in test
    seed: Seed | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_field(cls, given: Any) -> Any:
        named = given.kwargs if isinstance(given, ArgsKwargs) else given
        if isinstance(named, Mapping):
            refuse_unknown(named, [field.name for field in dataclasses.fields(cls)])
        return given

    def __post_init__(self) -> None:
        takes = METHODS[self.method].takes
        for name in ("train", "validation", "test", "k", "seed"):
            value = getattr(self, name)
            if value is None:
                object.__setattr__(self, name, takes.get(name))
            elif name not in takes:
                raise ValueError(
                    f"a {self.method} split takes no {name}, got {value}; "
                    f"leave it out (it takes {', '.join(takes)})"
                )
        shares = [getattr(self, name) for name in _SHARES if name in takes]
        if len(shares) == len(_SHARES) and not isclose(sum(shares), 1, rel_tol=0, abs_tol=1e-9):
            raise ValueError(
                "train, validation and test must sum to 1, got "
                f"{' + '.join(f'{share:g}' for share in shares)} = {sum(shares):g}"
            )

    @classmethod
    def parse(cls, text: str, *, seed: int | None = None) -> SplitSpec:
        """The spec of `80/10/10` or `0.8/0.1/0.1`, `temporal:80/10/10`, `leave-last-2` or `u1`.

        Args:
            seed: of the shuffle, where the method has one.

        Raises:
            OptionError: none of these forms, or a value that does not hold.
        """
        values = _read(text)
        if "seed" in METHODS[values["method"]].takes:
            values["seed"] = seed
        try:
            return cls(**values)
        except ValidationError as error:
            raise OptionError(f"split {text!r}: {one_line(error)}") from None

    def __str__(self) -> str:
        """As `parse` takes it; a seed, and a fold's validation share, are left out."""
        percent = {name: 100 * (getattr(self, name) or 0) for name in _SHARES}
        return METHODS[self.method].text.format(k=self.k, **percent)

    @property
    def is_random(self) -> bool:
        """Whether chance cuts train from validation, and not time."""
        return "seed" in METHODS[self.method].takes

    def to_mapping(self) -> dict[str, Any]:
        """The method and the fields that it takes."""
        takes = METHODS[self.method].takes
        return {"method": self.method} | {name: getattr(self, name) for name in takes}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """What a search may see: never a row of the test part.

    Attributes:
        train, validation: with the indices, films and scale of the whole dataset.
        fingerprint: 16 hex digits that differ where the ratings, the spec, a fold's files or the
            seed of a recut differ.
        n_users_kept_in_train: users of whom a leave-last-k split holds nothing out, because they
            have fewer than 2k + 1 ratings.
    """

    train: Ratings
    validation: Ratings
    spec: SplitSpec
    fingerprint: str
    n_users_kept_in_train: int = 0

    @property
    def note(self) -> str | None:
        """What is not as one might expect of the split, in a sentence."""
        if not self.n_users_kept_in_train:
            return None
        return (
            f"{self.n_users_kept_in_train} of {self.train.n_users} users have too few ratings for "
            f"a {self.spec} split: all of theirs are in train, none is evaluated"
        )

    def recut(self, seed: int) -> Split:
        """Another cut of the same rows into train and validation parts of the same sizes.

        The test part stays what it is: its rows are not here to be drawn.

        Raises:
            ValueError: time cuts this split, and chance would ask another question.
        """
        if not self.spec.is_random:
            raise ValueError(f"a {self.spec} split is cut by time; it has no other cut")
        both = self.train.joined(self.validation)
        shuffled = np.random.default_rng(seed).permutation(len(both))
        train, validation = np.split(shuffled, [len(self.train)])
        return dataclasses.replace(
            self,
            train=both.take(np.sort(train)),
            validation=both.take(np.sort(validation)),
            fingerprint=sha256(f"{self.fingerprint} recut {seed}".encode()).hexdigest()[:16],
        )


def split_ratings(ratings: Ratings, spec: SplitSpec) -> Split:
    """The train and validation parts of `ratings`.

    Raises:
        DataError: too few ratings for a part that should have some, or the ratings lack what the
            method needs: timestamps, or a fold's files.
    """
    parts = _cut(ratings, spec)
    return Split(
        train=ratings.take(parts.train),
        validation=ratings.take(parts.validation),
        spec=spec,
        fingerprint=split_fingerprint(ratings, spec),
        n_users_kept_in_train=parts.n_users_kept_in_train,
    )


def open_test(ratings: Ratings, spec: SplitSpec) -> Ratings:
    """The test part, which is sealed: no search, training or choice of a model may look at it.

    Only `evaluate --split test` opens it, after all choices are made, and counts each opening in
    the ledger under `split_fingerprint`.

    Raises:
        DataError: the spec has no test part, or `split_ratings` would raise one.
    """
    if spec.test == 0:
        raise DataError(f"the split {spec} has no test part; give it one, such as 80/10/10")
    return ratings.take(_cut(ratings, spec).test)


def split_fingerprint(ratings: Ratings, spec: SplitSpec) -> str:
    """16 hex digits that differ where the ratings, the spec or a fold's files differ.

    Raises:
        DataError: a fold's files are not there.
    """
    described = f"{ratings.fingerprint} {sorted(spec.to_mapping().items())}"
    digest = sha256(described.encode())
    for path in _fold_files(ratings, METHODS[spec.method].files):
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


class _Parts(NamedTuple):
    """Row numbers of each part."""

    train: Int
    validation: Int
    test: Int
    n_users_kept_in_train: int = 0


def _cut(ratings: Ratings, spec: SplitSpec) -> _Parts:
    """Rows ascending, so that the parts stay sorted by user and film."""
    parts = METHODS[spec.method].cut(ratings, spec)
    train, validation, test = map(np.sort, parts[:3])
    return parts._replace(train=train, validation=validation, test=test)


def _random(ratings: Ratings, spec: SplitSpec) -> _Parts:
    shuffled = np.random.default_rng(spec.seed).permutation(len(ratings))
    return _by_shares(shuffled, spec)


def _temporal(ratings: Ratings, spec: SplitSpec) -> _Parts:
    # Stable: ratings of the same second stay in the order of user and film, run after run.
    return _by_shares(np.argsort(_timestamps(ratings, spec), kind="stable"), spec)


def _by_shares(order: Int, spec: SplitSpec) -> _Parts:
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
    return _Parts(train, validation, test)


def _leave_last_k(ratings: Ratings, spec: SplitSpec) -> _Parts:
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
    return _Parts(order[~(test | validation)], order[validation], order[test], kept)


def _official_fold(ratings: Ratings, spec: SplitSpec) -> _Parts:
    assert spec.validation is not None
    paths = _fold_files(ratings, METHODS[spec.method].files)
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
    return _Parts(train, validation, test)


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


def _fold_files(ratings: Ratings, names: tuple[str, ...]) -> list[Path]:
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


class _Method(NamedTuple):
    cut: Callable[[Ratings, SplitSpec], _Parts]
    takes: dict[str, float]  # field -> default
    text: str  # as `SplitSpec.parse` takes it, shares in percent
    files: tuple[str, ...] = ()  # of the dataset's folder: the base part, the test part


_SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
_PERCENT = "{train:g}/{validation:g}/{test:g}"
_FOLDS = ("u1", "u2", "u3", "u4", "u5", "ua", "ub")

METHODS = {
    "random": _Method(_random, {**_SHARES, "seed": 42}, _PERCENT),
    "temporal": _Method(_temporal, _SHARES, f"temporal:{_PERCENT}"),
    "leave-last-k": _Method(_leave_last_k, {"k": 1}, "leave-last-{k}"),
    **{
        fold: _Method(
            _official_fold,
            {"validation": 0.1, "seed": 42},
            fold,
            files=(f"{fold}.base", f"{fold}.test"),
        )
        for fold in _FOLDS
    },
}


def _read_shares(match: re.Match[str]) -> dict[str, Any]:
    shares = [float(match[name]) for name in _SHARES]
    total = sum(shares)
    if isclose(total, 100, rel_tol=1e-9):
        shares = [share / 100 for share in shares]
    elif not isclose(total, 1, rel_tol=1e-9):
        raise OptionError(
            f"split must sum to 100 or to 1, got {match.string!r}, which sums to {total:g}"
        )
    return {"method": match["method"] or "random", **dict(zip(_SHARES, shares, strict=True))}


_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_FORMS: tuple[tuple[str, Callable[[re.Match[str]], dict[str, Any]]], ...] = (
    (
        r"(?:(?P<method>random|temporal):)?"
        + "/".join(rf"\s*(?P<{name}>{_NUMBER})\s*" for name in _SHARES),
        _read_shares,
    ),
    (
        r"leave-last-(?P<k>[0-9]{1,9})",
        lambda match: {"method": "leave-last-k", "k": int(match["k"])},
    ),
    ("|".join(_FOLDS), lambda match: {"method": match[0]}),
)


def _read(text: str) -> dict[str, Any]:
    """The method, and the values that the text gives it."""
    for pattern, values_of in _FORMS:
        if match := re.fullmatch(pattern, text.strip()):
            return values_of(match)
    raise OptionError(
        "split must be train/validation/test such as 80/10/10, temporal:80/10/10, leave-last-2, "
        f"or an official fold such as u1, got {text!r}"
    )
