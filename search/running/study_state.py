"""A running study as a live view shows it: made from events, or from what the storage holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from optuna.trial import FrozenTrial, TrialState

from ...model.config import TrainingConfig
from ...model.evaluation.metrics import VAL_RMSE, Metric
from ...model.evaluation.weighted import find_metric
from ..definition.study_file import StudySpec
from ..storage.trials import CONFIG, LAST_EPOCH, WATCHED, trial_record
from .events import EpochEnded, Event, StudyStarted, TrialEnded, TrialStarted
from .study_progress import StudyProgress

N_ENDED = 50  # latest trials that have ended


@dataclass(frozen=True, kw_only=True)
class RunningTrial:
    """A trial that is running.

    Attributes:
        label: name of the known config, or the seed of a confirmation; None if there is neither.
        curve: epoch -> the metric's value.
        figures: of the last epoch, those in `WATCHED`; empty before the first.
    """

    number: int
    architecture: str
    max_epochs: int
    label: str | None = None
    curve: Mapping[int, float] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def starting(cls, number: int, config: TrainingConfig, label: str | None = None) -> Self:
        return cls(
            number=number,
            architecture=config.architecture,
            max_epochs=config.max_epochs,
            label=label,
        )

    @classmethod
    def stored(cls, trial: FrozenTrial) -> Self:
        """What the storage knows of a running trial that has a config."""
        config = trial.system_attrs[CONFIG]
        return cls(
            number=trial.number,
            architecture=config["architecture"],
            max_epochs=config.get("max_epochs", 1),
            label=trial.user_attrs.get("known_config"),
            curve=trial.intermediate_values,
            figures=trial.system_attrs.get(LAST_EPOCH, {}),
        )

    @property
    def epoch(self) -> int:
        """The last epoch that has ended; 0 before the first."""
        return max(self.curve, default=0)


@dataclass(frozen=True, kw_only=True)
class StudyState:
    """A study, its running trials, and the latest ones that have ended.

    Attributes:
        spec: its `trials` are the total; None for a worker that has not been given the study.
        progress: None before it is known.
        running: by number.
        ended: the records of the latest trials that have ended, latest last.
        workers: trials that run at a time; 0 if the study is not running.
    """

    spec: StudySpec | None = None
    metric: Metric = VAL_RMSE
    progress: StudyProgress | None = None
    running: Mapping[int, RunningTrial] = field(default_factory=dict)
    ended: tuple[dict[str, Any], ...] = ()
    workers: int = 1

    def after(self, event: Event) -> Self:
        """The state that an event leads to."""
        match event:
            case StudyStarted(spec, _, progress):
                metric = find_metric(spec.objective.metric)
                return replace(self, spec=spec, metric=metric, progress=progress)
            case TrialStarted(number, config, label):
                return self._with(RunningTrial.starting(number, config, label))
            case EpochEnded():
                return self._after_epoch(event)
            case TrialEnded():
                return self._after_trial(event)
        return self

    def _after_epoch(self, event: EpochEnded) -> Self:
        report = event.report
        trial = self.running.get(event.number) or RunningTrial.starting(event.number, event.config)
        curve = {**trial.curve, report.epoch: event.metric.of(report)}
        figures = {name: getattr(report, name) for name in WATCHED}
        state = replace(self, metric=event.metric)
        return state._with(replace(trial, curve=curve, figures=figures))

    def _after_trial(self, event: TrialEnded) -> Self:
        record, progress = event.record, event.progress or self.progress
        # A trial whose process has died sends no event of its end.
        alive = event.progress.running if event.progress else self.running.keys()
        running = {n: t for n, t in self.running.items() if n in alive and n != record["number"]}
        ended = (*self.ended, record)[-N_ENDED:]
        return replace(self, progress=progress, running=running, ended=ended, metric=event.metric)

    def _with(self, trial: RunningTrial) -> Self:
        # A confirmation trains one after the other, and no trial of the study ends.
        is_confirmation = self.spec is not None and self.progress is None
        others = {} if is_confirmation else self.running
        running = {**others, trial.number: trial}
        return replace(self, running=running, workers=max(self.workers, len(running)))

    @classmethod
    def stored(
        cls, spec: StudySpec, trials: Sequence[FrozenTrial], bias_val_rmse: float | None
    ) -> Self:
        """What the storage knows of a study.

        Args:
            spec: its `trials` are the total.
            trials: by number, as `read_trials` returns them.
        """
        metric = find_metric(spec.objective.metric)
        progress = StudyProgress.of(trials, metric, bias_val_rmse)
        running = [t for t in trials if t.state == TrialState.RUNNING and CONFIG in t.system_attrs]
        return cls(
            spec=spec,
            metric=metric,
            progress=progress,
            running={trial.number: RunningTrial.stored(trial) for trial in running},
            ended=tuple(trial_record(trial, metric) for trial in latest_ended(trials)[-N_ENDED:]),
            workers=len(progress.running),
        )

    @property
    def total(self) -> int | None:
        """Trials after which the study ends."""
        return self.spec.trials if self.spec else None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes; None if too few trials have ended to say, or none is to come."""
        pace = self.progress.pace if self.progress else None
        if pace is None or self.progress is None or self.total is None:
            return None
        left = self.total - self.progress.done
        if left <= 0 or not self.workers:
            return None
        behind = (trial.epoch for trial in self.running.values())
        return pace.seconds_left(left, behind, self.workers)

    @property
    def epochs_saved(self) -> float | None:
        """Share of the epochs that trials were spared by being stopped; None if unknown."""
        pace = self.progress.pace if self.progress else None
        return pace and pace.saved

    @property
    def may_end_early(self) -> bool:
        """Whether the study may end before its total."""
        spec = self.spec
        return spec is not None and any((spec.finish, spec.objective.target, spec.budget))


def latest_ended(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that have ended, in the order in which they did."""
    ended = [(trial.datetime_complete, trial) for trial in trials if trial.datetime_complete]
    return [trial for _, trial in sorted(ended, key=lambda each: (each[0], each[1].number))]
