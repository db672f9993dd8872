"""Where each ended trial ended, or would have: what a surrogate learns from.

complete                     its value
plateau, overfit gap         its best value: it would hardly have improved
stopped by a comparison      the forecast of its end, with its uncertainty
diverged, collapsed, ...     the worst outcome of the others
failed, reused, continued    nothing; a config beyond the limits neither
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ...model.evaluation.metrics import VAL_RMSE, Metric
from ..pruners.hopeless import expected_end
from ..pruners.rule import Kind
from ..pruners.table import kind_of
from ..running.ended_trials import curve, is_exhausted
from ..storage.trials import CONFIG, OUT_OF_MEMORY, continued_by, is_trained_complete

UNKNOWN_SD = 0.02  # stars, of the end of a trial that no other one can be compared with


@dataclass(frozen=True)
class Outcome:
    """The level that a trial has reached, or would reach at its end.

    Attributes:
        params: Optuna's parameters.
        level: in stars, lower is better.
        sd: of the level; 0 for a trial that ended.
        is_sick: whether its training went wrong; its level is then only a bound.
    """

    number: int
    params: Mapping[str, Any]
    level: float
    sd: float
    is_sick: bool = False


def outcomes(
    trials: Iterable[FrozenTrial], metric: Metric = VAL_RMSE, star: float = 1.0
) -> list[Outcome]:
    """The outcomes of a study's ended trials, by number.

    Args:
        star: what a star is worth in the ratings' units: `Scale.star`.
    """
    trials = list(trials)
    continued = continued_by(trials)
    ended = [trial for trial in trials if _counts(trial) and trial.number not in continued]
    curves = {trial.number: metric.levels(curve(trial), star) for trial in ended}
    # Levels of the trials to compare with, by kind; each is a curve that ran until it was flat.
    whole: dict[tuple[Any, Any], list[tuple[float, ...]]] = {}
    for trial in ended:
        if is_exhausted(trial):
            whole.setdefault(_kind(trial), []).append(curves[trial.number])
    found = [
        each
        for trial in ended
        if (each := _outcome(trial, curves[trial.number], whole.get(_kind(trial), []))) is not None
    ]
    healthy = [each.level for each in found if not each.is_sick]
    if not healthy:
        return []
    worst = max(healthy)
    return [
        Outcome(each.number, each.params, worst, each.sd, True) if each.is_sick else each
        for each in found
    ]


def forecast_end(
    levels: Sequence[float], whole: Sequence[Sequence[float]]
) -> tuple[float, float] | None:
    """Mean and standard deviation of the best level that a stopped trial would have reached.

    None if it has no finite level.

    Args:
        levels: of the trial, by epoch.
        whole: levels of trials like it that ran until they were flat.
    """
    finite = list(filter(isfinite, levels))
    if not finite:
        return None
    longer = [each for each in whole if len(each) > len(levels)]
    if not longer:
        return min(finite) - UNKNOWN_SD / 2, UNKNOWN_SD
    expected = expected_end(min(finite), len(levels), longer)
    return expected.mean, expected.sd


def _outcome(
    trial: FrozenTrial, levels: Sequence[float], whole: Sequence[Sequence[float]]
) -> Outcome | None:
    if _is_sick(trial):
        return Outcome(trial.number, trial.params, 0.0, 0.0, is_sick=True)
    finite = list(filter(isfinite, levels))
    if is_exhausted(trial):
        return Outcome(trial.number, trial.params, min(finite), 0.0) if finite else None
    end = forecast_end(levels, whole)
    return end and Outcome(trial.number, trial.params, *end)


def _counts(trial: FrozenTrial) -> bool:
    """Whether the trial says something about its config."""
    if is_trained_complete(trial):
        return True
    is_trained = bool(trial.intermediate_values)
    return trial.state == TrialState.PRUNED and (is_trained or _is_sick(trial))


def _is_sick(trial: FrozenTrial) -> bool:
    stop_reason = trial.user_attrs.get("stop_reason")
    return kind_of(stop_reason) is Kind.SICK or stop_reason == OUT_OF_MEMORY


def _kind(trial: FrozenTrial) -> tuple[Any, Any]:
    config = trial.system_attrs.get(CONFIG, {})
    return config.get("architecture"), config.get("max_epochs")
