"""A study that is open in its storage."""

from __future__ import annotations

from typing import NamedTuple

from optuna.storages import RDBStorage

from ...data.splits.split import Split
from ..definition.study_file import StudySpec


class OpenStudy(NamedTuple):
    """A study with its storage, and the ratings that its trials train on.

    Attributes:
        n_done: trials that counted towards the total when it was opened.
        asked: the total that the caller wants; `spec.trials` is at least `n_done`.
    """

    spec: StudySpec
    split: Split
    storage: RDBStorage
    n_done: int
    asked: int

    @property
    def is_done(self) -> bool:
        return self.n_done >= self.asked
