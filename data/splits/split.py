"""Cuts ratings into train, validation and a sealed test part."""

from __future__ import annotations

import dataclasses
from hashlib import sha256

import numpy as np

from ...errors import DataError
from ..ratings import Ratings
from .methods import METHODS, Parts, fold_files
from .spec import SplitSpec


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
    for path in fold_files(ratings, METHODS[spec.method].files):
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _cut(ratings: Ratings, spec: SplitSpec) -> Parts:
    """Rows ascending, so that the parts stay sorted by user and film."""
    parts = METHODS[spec.method].cut(ratings, spec)
    train, validation, test = map(np.sort, parts[:3])
    return parts._replace(train=train, validation=validation, test=test)
