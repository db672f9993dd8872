"""A rule: what it judges, and the stop that it returns.

A rule is a frozen table of the study file. Its method `judge` is plain arithmetic on the epochs so
far and knows nothing of Optuna, so a notebook can apply it to any run:

    Collapse().judge(Progress(config=run.config, reports=run.reports, bias_val_rmse=0.867))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, NamedTuple

from ...base.strict import Strict
from ...model.config import TrainingConfig
from ...model.evaluation.metrics import VAL_RMSE, Metric
from ...model.training.reports import EpochReport, best_report


class Kind(Enum):
    """What a stop means for its trial.

    SICK: its training went wrong, or is about to fail: PRUNED, even if it is the best.
    EXHAUSTED: it would not have improved any more: COMPLETE for a contender. Rules compare other
        trials with its curve either way.
    CUT_SHORT: a limit ended it while it could still improve: COMPLETE for a contender.
    BEHIND: it will not catch up with the best trial: PRUNED.
    """

    SICK = "sick"
    EXHAUSTED = "exhausted"
    CUT_SHORT = "cut short"
    BEHIND = "behind"


class Stop(NamedTuple):
    """Why a trial ends after its last report.

    Attributes:
        stop_reason: its short name for programs, such as `plateau`.
        reason: a sentence with the figures.
        infeasible: name of the constraint that the trial's config violates, if the sampler should
            learn to avoid configs like it.
        brief: the reason in at most four words, for tables, such as `plateau at 0.9238`; None for
            the words of the stop reason.
    """

    stop_reason: str
    reason: str
    kind: Kind
    infeasible: str | None = None
    brief: str | None = None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A trial so far, and what the study's other trials have reached.

    Rules compare levels: values of the metric as stars, lower is better, so that one rule and its
    thresholds fit every metric and every scale of ratings. Where ratings are stars, a level of
    validation RMSE is the value itself.

    Attributes:
        reports: one per epoch, at least one, in order.
        bias_val_rmse: validation RMSE of the bias baseline.
        incumbent: best value of the study's completed trials; None before the first.
        ended: curves (value by epoch) of the trials with the same architecture and `max_epochs`
            that completed or were exhausted, as far as they ran.
        metric: what the study optimises.
        star: what a star is worth in the ratings' units: `Scale.star`.
        learned_noise: what another seed may change, in stars, as the study has measured it; None
            for what is usual with the architecture.
        shares_gpu: whether other trials may train on its GPU.
    """

    config: TrainingConfig
    reports: Sequence[EpochReport]
    bias_val_rmse: float
    incumbent: float | None = None
    ended: Sequence[Sequence[float]] = ()
    metric: Metric = VAL_RMSE
    star: float = 1.0
    learned_noise: float | None = None
    shares_gpu: bool = False

    @property
    def seed_noise(self) -> float:
        """What another seed may change, in stars."""
        noise = self.learned_noise
        return self.config.seed_noise if noise is None else noise

    @property
    def last(self) -> EpochReport:
        return self.reports[-1]

    @property
    def best(self) -> EpochReport | None:
        """The epoch with the best value of the metric; None while no value was finite."""
        return best_report(self.reports, self.metric)

    @property
    def best_by_rmse(self) -> EpochReport | None:
        """The epoch with the lowest validation RMSE, by which the health of training is judged."""
        return best_report(self.reports)

    @property
    def best_level(self) -> float | None:
        best = self.best
        return None if best is None else self._level(self.metric.of(best))

    @property
    def levels(self) -> tuple[float, ...]:
        """The trial's curve, as levels."""
        return self.metric.levels(map(self.metric.of, self.reports), self.star)

    @property
    def incumbent_level(self) -> float | None:
        return None if self.incumbent is None else self._level(self.incumbent)

    @property
    def ended_levels(self) -> list[tuple[float, ...]]:
        """The curves of `ended`, as levels."""
        return [self.metric.levels(curve, self.star) for curve in self.ended]

    def show(self, level: float) -> str:
        """A level as a message shows it: the metric's value."""
        return self.format(self.metric.value_of(level, self.star))

    def format(self, value: float) -> str:
        """A value of the metric as a message shows it."""
        return self.metric.format(value, self.star)

    def limit(self, stars: float) -> str:
        """A threshold on an RMSE as a message shows it: in stars, and what they are worth here."""
        return f"{stars:g}" if self.star == 1 else f"{stars:g} stars, {stars * self.star:.3g} here"

    def _level(self, value: float) -> float:
        return self.metric.level(value, self.star)


class Rule(Strict):
    """Base of the rules; the fields of a subclass are its settings in the study file."""

    stop_reason: ClassVar[str]
    kind: ClassVar[Kind]
    infeasible: ClassVar[str | None] = None

    def judge(self, progress: Progress) -> Stop | None:
        """The stop if the trial should end after its last report; None if it should continue."""
        raise NotImplementedError

    def warning(self, progress: Progress) -> str | None:
        """What is wrong with a trial that continues; None if nothing is."""
        return None

    def stop(self, reason: str, *, brief: str | None = None) -> Stop:
        """This rule's stop.

        Args:
            reason: a sentence that gives the figures.
            brief: the same in at most four words, for tables. [default: the stop reason's words]
        """
        return Stop(self.stop_reason, reason, self.kind, self.infeasible, brief)
