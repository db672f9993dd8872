"""What all trackers have in common: how a trial becomes a run.

A tracker knows no study and no Optuna. `search/listeners/tracking.py` calls it, from a thread, and
turns its errors into warnings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

from ...base.strict import Strict
from ...errors import ConfigError


@dataclass(frozen=True)
class RunStart:
    """A trial that starts.

    Attributes:
        config: the training config.
        label: name of the known config; None for any other.
        continues: number of the trial that this one goes on from; its epochs then follow those.
    """

    study: str
    number: int
    config: Mapping[str, Any]
    label: str | None = None
    continues: int | None = None

    @property
    def name(self) -> str:
        """The run's name, such as `breakthrough/17`."""
        return f"{self.study}/{self.number}"

    @property
    def tags(self) -> dict[str, str]:
        """What runs are searched by."""
        tags = {
            "study": self.study,
            "trial": str(self.number),
            "architecture": str(self.config["architecture"]),
            "known_config": self.label,
            "continues": None if self.continues is None else f"{self.study}/{self.continues}",
        }
        return {name: value for name, value in tags.items() if value is not None}


@dataclass(frozen=True)
class RunEnd:
    """How a trial ended.

    Attributes:
        state: as `trials` lists it: `complete`, `pruned`, `failed` or `interrupted`.
        reason: a sentence with the figures.
        figures: of the best epoch, as `best_val_rmse`, and of the whole trial, as `train_s`.
    """

    state: str
    stop_reason: str | None
    reason: str
    figures: Mapping[str, float]

    @property
    def tags(self) -> dict[str, str]:
        """What runs are searched by."""
        stop_reason = {"stop_reason": self.stop_reason} if self.stop_reason else {}
        return {"state": self.state, **stop_reason}


INTERRUPTED = RunEnd("interrupted", "interrupted", "its process ended before its result", {})
"""The end of a run whose trial has sent none."""


class TrackedRun(ABC):
    """One trial in a tracker."""

    @abstractmethod
    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Add the figures of an epoch."""

    @abstractmethod
    def end(self, end: RunEnd) -> None:
        """Record how the trial ended, and close the run."""


class TrackedStudy(ABC):
    """A study in a tracker; several of its runs may be open at a time."""

    @abstractmethod
    def start(self, start: RunStart) -> TrackedRun:
        """Open the run of a trial."""


class Tracker(Strict, ABC):
    """Base of the trackers; the fields of a subclass are its settings in the study file."""

    package: ClassVar[str]  # that is imported
    extra: ClassVar[str]  # of recsys-search, which installs it

    def check(self) -> None:
        """Refuse what cannot work, before the study starts; connects to nothing.

        Raises:
            ConfigError: the package is not installed, or its credentials are missing.
        """
        if find_spec(self.package) is None:
            raise ConfigError(
                f"tracker {self.extra} needs {self.package}: "
                f"pip install 'recsys-search[{self.extra}]'"
            )

    @abstractmethod
    def connect(self, study: str) -> TrackedStudy:
        """Find the study in the tracker, or create it there."""
