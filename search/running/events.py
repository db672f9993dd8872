"""What happens while a study runs, as frozen values that any listener can receive.

    def listen(event: Event) -> None:
        match event:
            case TrialEnded(record=record):
                print(record["number"], record["reason"])

    run_study("demo", "sqlite:///studies.db", listener=listen)

The live view is one listener; `search/listeners/` has others, for notifications and trackers:
`broadcast(view, tracking)`.
An exception in a listener becomes a warning: it ends neither a trial nor the study.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ...base.callbacks import never_failing
from ...model.config import TrainingConfig
from ...model.evaluation.metrics import Metric
from ...model.training.reports import EpochReport
from ..definition.study_file import StudySpec
from .study_progress import StudyProgress


@dataclass(frozen=True)
class StudyStarted:
    """A study starts or continues; `n_done` of its trials already count towards its total.

    Attributes:
        spec: its `trials` are the total.
        progress: of its earlier trials; None if none are to come.
    """

    spec: StudySpec
    n_done: int
    progress: StudyProgress | None = None


@dataclass(frozen=True)
class TrialStarted:
    """A trial starts, or its retraining with another seed.

    Attributes:
        label: name of the known config, or the seed of a confirmation; None if there is neither.
        earlier: number of the trial that this one tries again or continues; None if there is none.
    """

    number: int
    config: TrainingConfig
    label: str | None = None
    earlier: int | None = None


@dataclass(frozen=True)
class EpochEnded:
    """A trial has finished an epoch.

    Attributes:
        metric: what the study optimises.
    """

    number: int
    config: TrainingConfig
    report: EpochReport
    metric: Metric


@dataclass(frozen=True)
class TrialEnded:
    """A trial has ended.

    Attributes:
        record: the trial, as `trials --json` prints it.
        best: the study's best trial so far, likewise; None before the first completed one.
        progress: of the study, with the trials of all its workers.
    """

    record: dict[str, Any]
    best: dict[str, Any] | None
    metric: Metric
    progress: StudyProgress | None = None


@dataclass(frozen=True)
class StudyEnded:
    """The process that sent `StudyStarted` runs no more trials.

    Attributes:
        reason: why before the study's total, or the error; None if all trials are done.
        failed: whether an error ended it.
    """

    reason: str | None = None
    failed: bool = False


@dataclass(frozen=True)
class Notice:
    """A message for the user, such as what the split leaves out or why the study ends."""

    message: str


TroubleKind = Literal["storage", "folder", "worker"]


@dataclass(frozen=True)
class Trouble(Notice):
    """Something that keeps trials from being run or stored, or its end.

    Attributes:
        kind: what fails: the `storage`, the `folder` of reports and checkpoints, or a `worker`.
        is_over: whether it works again.
    """

    kind: TroubleKind
    is_over: bool = False


Event = StudyStarted | TrialStarted | EpochEnded | TrialEnded | StudyEnded | Notice
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener that does nothing."""


def broadcast(*listeners: Listener) -> Listener:
    """One listener that passes each event on to all of these, in order; an error is a warning."""
    tolerant = [never_failing(listener, "a listener") for listener in listeners]

    def pass_on(event: Event) -> None:
        for listener in tolerant:
            listener(event)

    return pass_on


def notifier(listener: Listener) -> Callable[[str], None]:
    """A function that sends a message to the listener as a `Notice`."""
    return lambda message: listener(Notice(message))


def alarm(listener: Listener, kind: TroubleKind) -> Callable[[str], None]:
    """A function that sends a message to the listener as `Trouble`."""
    return lambda message: listener(Trouble(message, kind))
