"""How far a study has come, what its trials have cost, and how long the rest will take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from optuna.trial import FrozenTrial, TrialState

from ...model.evaluation.metrics import Metric
from ..definition.budget import Spending
from ..definition.objective import Target
from ..storage.trials import (
    CONFIG,
    best_trials,
    continued_by,
    count_trials,
    is_counted,
    trial_record,
)
from .ended_trials import EndedTrials, Span, spans, trained_epochs

ENDED = ("done", "finished", "target reached")  # states of a study that reached its end
MIN_TRIALS = 3  # that have ended, before the time left is estimated


class Pace(NamedTuple):
    """What trials cost, as measured on those that have ended.

    Attributes:
        epochs: per trial that counts towards the total, as far as it was allowed to run.
        epoch_s: seconds per epoch in one worker, with the preparations of its trial.
        saved: share of their epochs that trials were spared because they were stopped.
    """

    epochs: float
    epoch_s: float
    saved: float

    @classmethod
    def of(cls, trials: Iterable[FrozenTrial]) -> Self | None:
        """The pace of a study; None before `MIN_TRIALS` trials that count have ended.

        It is that of all trials: the latest ones alone predict the rest worse.
        """
        ended = [trial for trial in trials if trial.state.is_finished()]
        counted = [trial for trial in ended if is_counted(trial)]
        epochs = sum(map(trained_epochs, ended))
        if len(counted) < MIN_TRIALS or not epochs:
            return None
        planned = sum(t.system_attrs.get(CONFIG, {}).get("max_epochs", 0) for t in counted)
        seconds = sum(end - start for start, end in spans(ended))
        saved = max(0.0, 1 - epochs / planned) if planned else 0.0
        n_trials = len(counted) - len(continued_by(ended))  # a continued trial counts once
        return cls(epochs / n_trials, seconds / epochs, saved)

    def seconds_left(self, left: int, running: Iterable[int], workers: int) -> float:
        """How long the rest of the study takes at this pace.

        Args:
            left: trials until the total is reached, with those that are running.
            running: how many epochs each of the running trials has behind it.
            workers: trials that run at a time.
        """
        behind = sum(min(epochs, self.epochs) for epochs in running)
        return max(0.0, self.epochs * left - behind) * self.epoch_s / max(1, min(workers, left))


@dataclass(frozen=True, kw_only=True)
class StudyProgress:
    """What a study's trials amount to at one moment.

    Attributes:
        done: trials that count towards the total.
        best: the best trial, as `trials --json` prints it; None before the first completed one.
        pace: None before there are enough trials to say.
        running: numbers of the running trials.
    """

    done: int
    best: dict[str, Any] | None
    bias_val_rmse: float | None
    pace: Pace | None
    running: frozenset[int]

    @classmethod
    def of(cls, trials: Sequence[FrozenTrial], metric: Metric, bias_val_rmse: float | None) -> Self:
        """Args: bias_val_rmse: of the bias baseline, as the study stores it."""
        ranked = best_trials(trials, metric)
        return cls(
            done=count_trials(trials),
            best=trial_record(ranked[0], metric) if ranked else None,
            bias_val_rmse=bias_val_rmse,
            pace=Pace.of(trials),
            running=frozenset(t.number for t in trials if t.state == TrialState.RUNNING),
        )


def study_state(status: dict[str, Any]) -> str:
    """The study's state, such as `running` or `target reached`.

    Args:
        status: as `status --json` prints it, but for this.
    """
    if status["running"]:
        return "running"
    if status["target"] and status["target"]["reached"]:
        return "target reached"
    if status["done"] >= status["total"]:
        return "done"
    if status["outlook"] and status["outlook"]["finished"]:
        return "finished"
    return "stopped" if status["stopped"] else "paused"


def has_ended(status: Mapping[str, Any]) -> bool:
    """Whether the study runs no further trials unless someone extends it.

    Args:
        status: as `status --json` prints it.
    """
    return status["state"] in ENDED or bool(status["budget_spent"])


def target_reached(target: Target | None, trials: Iterable[FrozenTrial]) -> bool:
    """Whether a completed trial is better than the target."""
    return target is not None and any(
        trial.state == TrialState.COMPLETE
        and target.is_reached(trial.user_attrs.get(target.metric))
        for trial in trials
    )


def spending(trials: Iterable[FrozenTrial], ended: EndedTrials | None = None) -> Spending:
    """What all trials have cost, including those that are running, failed, or were retried.

    Epochs that a resumed trial takes over from an earlier attempt count once.

    Args:
        ended: of the same study, if the caller asks repeatedly; the trials are added to it.
    """
    trials, ended = list(trials), ended or EndedTrials()
    ended.add(trials)
    running = [trial for trial in trials if not trial.state.is_finished()]
    epochs = ended.epochs + sum(map(trained_epochs, running))
    return Spending(epochs, elapsed_s([*ended.spans, *spans(running)]))


def elapsed_s(spans: Iterable[Span]) -> float:
    """Wall-clock seconds in which at least one trial ran; time between starts does not count."""
    return round(sum((end - start for start, end in disjoint(spans)), 0.0), 1)


def disjoint(spans: Iterable[Span]) -> Iterator[Span]:
    """The same times in order, each in one span only."""
    until = 0.0
    for start, end in sorted(spans):
        if end > until:
            yield max(start, until), end
            until = end
