"""Cuts ratings into train, validation and a sealed test part."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict
from hashlib import sha256
from math import isclose
from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from ..errors import ConfigError, DataError, one_line
from .ratings import Int, Ratings

_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_SomeShare = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class SplitSpec:
    """How to cut: the shares of the ratings, and the seed of the shuffle."""

    method: Literal["random"] = "random"
    train: _SomeShare = 0.8
    validation: _SomeShare = 0.1
    test: _Share = 0.1
    seed: Annotated[int, Field(ge=0)] = 42

    def __post_init__(self) -> None:
        total = self.train + self.validation + self.test
        if not isclose(total, 1, rel_tol=0, abs_tol=1e-9):
            raise ValueError(
                f"train, validation and test must sum to 1, got {self.train:g} + "
                f"{self.validation:g} + {self.test:g} = {total:g}"
            )

    @classmethod
    def parse(cls, text: str, *, seed: int = 42) -> SplitSpec:
        """The spec of `80/10/10` (percentages) or `0.8/0.1/0.1`: train/validation/test.

        Raises:
            ConfigError: not three numbers, or they sum to neither 100 nor 1.
        """
        try:
            parts = [float(part) for part in text.split("/")]
        except ValueError:
            parts = []
        if len(parts) != 3:
            raise ConfigError(f"split must be train/validation/test such as 80/10/10, got {text!r}")
        total = sum(parts)
        if isclose(total, 100, rel_tol=1e-9):
            parts = [part / 100 for part in parts]
        elif not isclose(total, 1, rel_tol=1e-9):
            raise ConfigError(
                f"split must sum to 100 or to 1, got {text!r}, which sums to {total:g}"
            )
        train, validation, test = parts
        try:
            return cls(train=train, validation=validation, test=test, seed=seed)
        except ValidationError as error:
            raise ConfigError(f"split {text!r}: {one_line(error)}") from None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """What a search may see: never a row of the test part.

    Attributes:
        train, validation: with the indices, films and scale of the whole dataset.
        fingerprint: 16 hex digits that differ where the ratings or the spec differ.
    """

    train: Ratings
    validation: Ratings
    spec: SplitSpec
    fingerprint: str


def split_ratings(ratings: Ratings, spec: SplitSpec) -> Split:
    """The train and validation parts of `ratings`.

    Raises:
        DataError: too few ratings for a part that should have some.
    """
    train, validation, _ = _cut(len(ratings), spec)
    return Split(
        train=ratings.take(train),
        validation=ratings.take(validation),
        spec=spec,
        fingerprint=split_fingerprint(ratings, spec),
    )


def open_test(ratings: Ratings, spec: SplitSpec) -> Ratings:
    """The test part, which is sealed: no search, training or choice of a model may look at it.

    Only `evaluate --split test` and the confirmation of winners open it, after all choices are
    made, and they count each opening in the ledger under `split_fingerprint`.

    Raises:
        DataError: the spec has no test part, or there are too few ratings for one.
    """
    if spec.test == 0:
        raise DataError(
            f"the split {100 * spec.train:g}/{100 * spec.validation:g}/0 has no test part; "
            "give it one, such as 80/10/10"
        )
    return ratings.take(_cut(len(ratings), spec)[2])


def split_fingerprint(ratings: Ratings, spec: SplitSpec) -> str:
    """16 hex digits that differ where the ratings or the spec differ."""
    return sha256(f"{ratings.fingerprint} {sorted(asdict(spec).items())}".encode()).hexdigest()[:16]


def _cut(n: int, spec: SplitSpec) -> tuple[Int, Int, Int]:
    """Row numbers of train, validation and test, each ascending, so that parts stay sorted."""
    shuffled = np.random.default_rng(spec.seed).permutation(n)
    n_train = round(n * spec.train)
    # Without a test part the row that rounding may leave over belongs to validation.
    n_validation = round(n * spec.validation) if spec.test else n - n_train
    train, validation, test = np.split(shuffled, [n_train, n_train + n_validation])
    for name, part in (("train", train), ("validation", validation), ("test", test)):
        share = getattr(spec, name)
        if share and not len(part):
            raise DataError(
                f"{n} ratings are too few for the split: {name}'s {100 * share:g} % comes out "
                "empty; bring more ratings or enlarge its share"
            )
    return np.sort(train), np.sort(validation), np.sort(test)
