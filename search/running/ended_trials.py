"""What the ended trials of a study add up to."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState

from ...model.config import TrainingConfig
from ...model.evaluation.metrics import VAL_RMSE, Metric
from ..pruners.rule import Kind
from ..pruners.table import kind_of
from ..storage.trials import (
    CONFIG,
    is_removed,
    is_trained_complete,
    last_epoch_at,
    worker_died,
)

# The latest: each is looked at in every epoch of a trial, and more hardly change a forecast.
MAX_CURVES = 500

Span = tuple[float, float]
"""When a trial started and ended, in seconds since 1970."""


class EndedTrials:
    """The ended trials of one study, each read once: an ended trial never changes.

    Attributes:
        best_value: of the completed trials; None before the first.
        epochs: trained by all of them; see `trained_epochs`.
        spans: one of each trial that has started.
    """

    def __init__(self, metric: Metric = VAL_RMSE) -> None:
        self.best_value: float | None = None
        self.epochs = 0
        self.spans: list[Span] = []
        self._metric = metric
        self._numbers: set[int] = set()
        self._curves: dict[object, list[tuple[int, tuple[float, ...]]]] = defaultdict(list)

    def add(self, trials: Iterable[FrozenTrial]) -> None:
        """Read those of the study's trials that have ended since the last call."""
        for trial in trials:
            if trial.number not in self._numbers and trial.state.is_finished():
                self._add(trial)
                self._numbers.add(trial.number)

    def curves(self, config: TrainingConfig) -> list[tuple[float, ...]]:
        """The curves, by number, that say something about a trial with this config.

        They are of trials with the same architecture and `max_epochs` that completed, or had
        stopped improving when they were pruned; the latest `MAX_CURVES` of them.
        """
        of_its_kind = self._curves[config.architecture, config.max_epochs]
        return [curve for _, curve in of_its_kind[-MAX_CURVES:]]

    def _add(self, trial: FrozenTrial) -> None:
        self.epochs += trained_epochs(trial)
        self.spans += spans([trial])
        if is_trained_complete(trial):
            assert trial.value is not None
            if self.best_value is None or self._metric.is_better(trial.value, self.best_value):
                self.best_value = trial.value
        if is_exhausted(trial):
            config = trial.system_attrs.get(CONFIG, {})
            of_its_kind = self._curves[config.get("architecture"), config.get("max_epochs")]
            # By number, so that rules compute the same whatever the order in which trials end.
            insort(of_its_kind, (trial.number, curve(trial)))


def is_exhausted(trial: FrozenTrial) -> bool:
    """Whether the trial completed, or had stopped improving when it was pruned."""
    return is_trained_complete(trial) or (
        trial.state == TrialState.PRUNED
        and kind_of(trial.user_attrs.get("stop_reason")) is Kind.EXHAUSTED
    )


def curve(trial: FrozenTrial) -> tuple[float, ...]:
    """The metric's value by epoch."""
    return tuple(value for _, value in sorted(trial.intermediate_values.items()))


def trained_epochs(trial: FrozenTrial) -> int:
    """Without those that a resumed trial takes over from an earlier attempt."""
    if is_removed(trial):
        return int(trial.user_attrs["epochs"])  # all that is left of them
    earlier = trial.user_attrs.get("resumed_from_epoch") or 0
    # A trial that ended while it reported those has fewer values.
    return max(0, len(trial.intermediate_values) - earlier)


def spans(trials: Iterable[FrozenTrial]) -> list[Span]:
    """When each trial that has started ran."""
    return [
        (trial.datetime_start.timestamp(), ended_at(trial, trial.datetime_start).timestamp())
        for trial in trials
        if trial.datetime_start
    ]


def ended_at(trial: FrozenTrial, started_at: datetime) -> datetime:
    """When the trial ended; now if it is running; the end of its last epoch if its process died.

    For a trial whose process died, Optuna stores when that was noticed, which may be much later.
    """
    if not worker_died(trial):
        return trial.datetime_complete or datetime.now()
    return last_epoch_at(trial) or started_at
