"""A study's completed trials at one moment: the confirmed ones first, then by their value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from ...errors import NothingYet
from ...model.evaluation.metrics import Metric
from ..storage.examples import example, storage_and_artifacts
from ..storage.trials import trial_record
from .confirmation.standings import Confirmation


@dataclass(frozen=True)
class Ranking:
    """Which trial is best, and whether that is confirmed.

    Attributes:
        trials: completed by their own training, best value first; at least one.
    """

    trials: Sequence[FrozenTrial]
    confirmation: Confirmation
    metric: Metric

    def top(self, n: int = 1) -> list[FrozenTrial]:
        """The confirmed trials in their confirmed order, then the others."""
        place = {number: at for at, number in enumerate(self.confirmation.figures)}
        return sorted(self.trials, key=lambda trial: place.get(trial.number, len(place)))[:n]

    def records(self, n: int = 1) -> list[dict[str, Any]]:
        """The top trials as `best --json` prints them."""
        return [best_record(trial, self.confirmation, self.metric) for trial in self.top(n)]

    def better_unconfirmed(self) -> dict[str, Any] | None:
        """The best unconfirmed trial, if its value in the search beats the confirmed leader's.

        None if no trial is confirmed. Trials that diverged with a seed cannot be confirmed.
        """
        confirmed = list(self.confirmation.figures)
        for trial in self.trials:
            if not confirmed or trial.number == confirmed[0]:
                return None
            diverged = self.confirmation.diverged_with(trial.number) is not None
            if trial.number not in confirmed and not diverged:
                return trial_record(trial, self.metric)
        return None


def best_record(trial: FrozenTrial, confirmation: Confirmation, metric: Metric) -> dict[str, Any]:
    """A trial with a config, as `best --json` prints it."""
    return {
        **trial_record(trial, metric),
        "confirmed": confirmation.figures.get(trial.number),
        "diverged_with_seed": confirmation.diverged_with(trial.number),
    }


def confirmation_records(
    trials: Sequence[FrozenTrial], confirmation: Confirmation, metric: Metric
) -> list[dict[str, Any]]:
    """What `confirm --json` prints: leader first, and last the trials that diverged.

    Args:
        trials: of the study, by number.
    """
    figures = confirmation.figures
    unknown = dict.fromkeys(
        ("mean", "low", "high", "seeds", "splits", "against", "behind", "tie", "values")
    )

    def row(number: int, **values: Any) -> dict[str, Any]:
        record = trial_record(trials[number], metric)
        names = ("number", "architecture", "val_rmse", "metric", "value")
        return {
            **{name: record[name] for name in names},
            **unknown,
            **values,
            "diverged_with_seed": confirmation.diverged_with(number),
        }

    ranked = [
        row(
            standing.number,
            **figures[standing.number],
            behind=standing.behind and standing.behind._asdict(),
            tie=standing.tie,
            values=standing.values,
        )
        for standing in confirmation.standings
    ]
    others = sorted(confirmation.results)
    return ranked + [row(n) for n in others if confirmation.diverged_with(n) is not None]


def no_completed_trial(study: str, storage_url: str) -> NothingYet:
    """The error for a study that has no result to show yet."""
    start = example("start", "--study", study, *storage_and_artifacts(storage_url))
    return NothingYet(f"{study} has no completed trial yet; continue with: {start}")
