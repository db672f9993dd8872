"""Splits ratings into train, validation and a sealed test part."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np

from ...errors import DataError
from ..ratings import Ratings
from .methods import METHODS, Parts, fold_files
from .spec import SplitSpec


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """What a search may use: train and validation, never a row of the test part.

    Attributes:
        train, validation: with the indices, films and scale of the whole dataset.
        fingerprint: 16 hex digits that change with the ratings, the spec, a fold's files, a refit
            and the seed of a recut.
        n_users_kept_in_train: users without held-out ratings in a leave-last-k split, because they
            have fewer than 2k + 1 ratings.
        cut_notes: sentences on ratings whose order the method could not know.
    """

    train: Ratings
    validation: Ratings
    spec: SplitSpec
    fingerprint: str
    n_users_kept_in_train: int = 0
    cut_notes: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on the ratings, and on what the split leaves out or cannot show."""
        notes = list(self.train.notes)
        if self.n_users_kept_in_train:
            notes.append(
                f"{self.n_users_kept_in_train} of {self.train.n_users} users have too few ratings "
                f"for a {self.spec} split: all their ratings are in train, and none is evaluated"
            )
        return (*notes, *self.cut_notes, *self._describe_unknown())

    def _describe_unknown(self) -> tuple[str, ...]:
        """A sentence if few validation ratings have both their user and their film in train."""
        train, n = self.train, len(self.validation)
        has_user = np.bincount(train.user, minlength=train.n_users) > 0
        has_film = np.bincount(train.film, minlength=train.n_films) > 0
        n_known = int((has_user[self.validation.user] & has_film[self.validation.film]).sum())
        if 2 * n_known >= n:
            return ()
        if n_known:
            return (
                f"only {n_known:,} of {n:,} validation ratings have both their user and their film "
                "in train; the others are predicted from the biases, or from side features where "
                "the model uses any",
            )
        remedy = "use more ratings of each user and film"
        if not self.spec.is_random:
            remedy += ", or choose a split at random, such as 80/10/10"
        return (
            f"none of the {n:,} validation ratings has both its user and its film in train, so all "
            "are predicted from the biases, or from side features where the model uses any, and "
            f"validation figures do not show what a model learns from ratings; {remedy}",
        )

    def refit(self) -> Split:
        """The same rows, all of them in train; the validation part is empty.

        For a training whose choices are made. The test part does not change, because its rows are
        not in this split.
        """
        return dataclasses.replace(
            self,
            train=self.train.union(self.validation),
            validation=self.validation.take(np.arange(0)),
            fingerprint=sha256(f"{self.fingerprint} refit".encode()).hexdigest()[:16],
        )

    def recut(self, seed: int) -> Split:
        """Another random cut of the same rows into train and validation parts of the same sizes.

        The test part does not change, because its rows are not in this split.

        Raises:
            ValueError: the split is by time.
        """
        if not self.spec.is_random:
            raise ValueError(f"a {self.spec} split is cut by time, so it cannot be recut")
        rows = self.train.union(self.validation)
        shuffled = np.random.default_rng(seed).permutation(len(rows))
        train, validation = np.split(shuffled, [len(self.train)])
        return dataclasses.replace(
            self,
            train=rows.take(np.sort(train)),
            validation=rows.take(np.sort(validation)),
            fingerprint=sha256(f"{self.fingerprint} recut {seed}".encode()).hexdigest()[:16],
        )


def split_ratings(ratings: Ratings, spec: SplitSpec) -> Split:
    """The train and validation parts of `ratings`.

    Raises:
        DataError: there are too few ratings for a non-empty part, or the ratings lack timestamps
            or fold files that the method needs, or all have the same time.
    """
    parts = _cut(ratings, spec)
    return Split(
        train=ratings.take(parts.train),
        validation=ratings.take(parts.validation),
        spec=spec,
        fingerprint=split_fingerprint(ratings, spec),
        n_users_kept_in_train=parts.n_users_kept_in_train,
        cut_notes=parts.notes,
    )


def open_test(ratings: Ratings, spec: SplitSpec) -> Ratings:
    """The test part, which is sealed: no search, training or model selection may use it.

    Only `evaluate --split test` opens it, after all choices are made, and counts each opening in
    the ledger under `split_fingerprint`.

    Raises:
        DataError: the spec has no test part, or as for `split_ratings`.
    """
    if spec.test == 0:
        raise DataError(f"the split {spec} has no test part; choose one that has, such as 80/10/10")
    return ratings.take(_cut(ratings, spec).test)


def split_fingerprint(ratings: Ratings, spec: SplitSpec) -> str:
    """16 hex digits that change with the ratings, the spec and a fold's files.

    Raises:
        DataError: a fold's file does not exist.
    """
    return fingerprint_of_split(
        ratings.fingerprint, spec, fold_files(ratings, METHODS[spec.method].files)
    )


def fingerprint_of_split(ratings: str, spec: SplitSpec, files: Iterable[Path] = ()) -> str:
    """The same, from the fingerprint of the ratings and the fold's files."""
    description = f"{ratings} {sorted(spec.to_mapping().items())}"
    digest = sha256(description.encode())
    for path in files:
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _cut(ratings: Ratings, spec: SplitSpec) -> Parts:
    """Rows of each part, ascending, so that parts stay sorted by user and film."""
    parts = METHODS[spec.method].cut(ratings, **spec.values())
    train, validation, test = map(np.sort, parts[:3])
    return parts._replace(train=train, validation=validation, test=test)
