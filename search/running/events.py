"""What a running study tells whoever watches it."""

from __future__ import annotations

from typing import Any, Protocol

from ...model.config import TrainingConfig
from ...model.training.reports import EpochReport
from ..definition.study_file import StudySpec


class Watcher(Protocol):
    """Each method is told of one event; a record is what `trials --json` prints of a trial."""

    def study_begins(self, spec: StudySpec, done: int) -> None: ...

    def trial_begins(self, number: int, config: TrainingConfig, label: str | None) -> None: ...

    def epoch_ends(self, number: int, config: TrainingConfig, report: EpochReport) -> None: ...

    def trial_ends(self, record: dict[str, Any], best: dict[str, Any] | None) -> None: ...

    def tell(self, sentence: str) -> None:
        """Something about the study as a whole: what its split leaves out, why it ends."""


class Silent:
    """Watches and says nothing."""

    def study_begins(self, spec: StudySpec, done: int) -> None:
        pass

    def trial_begins(self, number: int, config: TrainingConfig, label: str | None) -> None:
        pass

    def epoch_ends(self, number: int, config: TrainingConfig, report: EpochReport) -> None:
        pass

    def trial_ends(self, record: dict[str, Any], best: dict[str, Any] | None) -> None:
        pass

    def tell(self, sentence: str) -> None:
        pass
