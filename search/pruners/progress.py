"""What a rule looks at, and what it says.

A rule is a frozen table of a study file with one method, `judge`: plain arithmetic on the epochs so
far. It knows nothing of Optuna, and a notebook may ask it about any run:

    Collapse().judge(Progress(config=run.config, reports=run.reports, bias_val_rmse=0.867))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from ...model.config import TrainingConfig
from ...model.training.reports import EpochReport, best_report

StopReason = Literal[
    "collapse", "plateau", "overfit-gap", "diverged", "gpu-memory", "hopeless", "budget"
]

SICK = {"collapse", "diverged", "gpu-memory"}
"""What ends a trial for good, be it the best one: its value is not to be trusted, or to be had."""

SPARES_CONTENDERS = {"plateau", "overfit-gap", "budget"}
"""What a trial near the best one may end with and still be complete: nothing is wrong with it."""

AT_ITS_END = SPARES_CONTENDERS - {"budget"}
"""What ends a trial of which nothing better was to come; a budget cuts it short."""


class Stop(NamedTuple):
    """Attributes: reason: a sentence with the figures."""

    stop_reason: StopReason
    reason: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A trial so far, beside the others of its study.

    Attributes:
        reports: one an epoch, at least one, in order.
        bias_val_rmse: of the bias baseline on the same validation split.
        incumbent: lowest validation RMSE of the study's completed trials; None before the first.
        ended: of the trials of the same architecture and `max_epochs` that completed, or came to a
            plateau or an overfit gap: their validation RMSE, epoch by epoch, as far as they ran.
    """

    config: TrainingConfig
    reports: Sequence[EpochReport]
    bias_val_rmse: float
    incumbent: float | None = None
    ended: Sequence[Sequence[float]] = ()

    @property
    def seed_noise(self) -> float:
        """Of the trial's architecture, in stars."""
        return self.config.seed_noise

    @property
    def last(self) -> EpochReport:
        return self.reports[-1]

    @property
    def best(self) -> EpochReport | None:
        """The epoch of the lowest validation RMSE; None while none was finite."""
        return best_report(self.reports)


class Rule(Protocol):
    def judge(self, seen: Progress) -> Stop | None:
        """Whether the trial shall end after its last report, and why."""
