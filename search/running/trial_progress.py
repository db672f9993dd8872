"""What the rules judge: a trial so far, with what the other trials of its study have reached."""

from __future__ import annotations

from optuna.trial import FrozenTrial, Trial, TrialState

from ...model.evaluation.metrics import VAL_RMSE, Metric
from ...model.training.training import Training
from ..pruners.rule import Kind, Progress
from ..pruners.table import kind_of
from ..storage.trials import CONFIG, best_trials, is_trained_complete


def trial_progress(
    trial: Trial, run: Training, metric: Metric = VAL_RMSE, star: float = 1.0
) -> Progress:
    """The trial so far, with what the study's other trials have reached.

    Args:
        star: what a star is worth in the ratings' units: `Scale.star`.
    """
    states = [TrialState.COMPLETE, TrialState.PRUNED]
    trials = trial.study.get_trials(deepcopy=False, states=states)
    ranked = best_trials(trials, metric)
    return Progress(
        config=run.config,
        reports=run.reports,
        bias_val_rmse=run.bias_val_rmse,
        incumbent=ranked[0].value if ranked else None,
        ended=[curve(t) for t in trials if is_exhausted(t) and is_comparable(t, run)],
        metric=metric,
        star=star,
    )


def is_exhausted(trial: FrozenTrial) -> bool:
    """Whether the trial completed, or had stopped improving when it was pruned."""
    return is_trained_complete(trial) or (
        trial.state == TrialState.PRUNED
        and kind_of(trial.user_attrs.get("stop_reason")) is Kind.EXHAUSTED
    )


def is_comparable(trial: FrozenTrial, run: Training) -> bool:
    """Whether the trial's curve says something about this run: same architecture, same length."""
    config = trial.system_attrs.get(CONFIG, {})
    same = {"architecture": run.config.architecture, "max_epochs": run.config.max_epochs}
    return all(config.get(name) == value for name, value in same.items())


def curve(trial: FrozenTrial) -> list[float]:
    """The metric's value by epoch."""
    return [value for _, value in sorted(trial.intermediate_values.items())]
