"""A trial so far: what the rules judge, and what an earlier attempt has trained."""

from __future__ import annotations

from collections.abc import Callable

from optuna.trial import Trial

from ...model.evaluation.metrics import VAL_RMSE, Metric
from ...model.training.training import Training
from ..pruners.rule import Progress
from ..storage.trials import earlier_attempt
from .ended_trials import EndedTrials


def trial_progress(
    run: Training,
    ended: EndedTrials,
    metric: Metric = VAL_RMSE,
    star: float = 1.0,
    learned_noise: Callable[[str], float | None] = lambda architecture: None,
    *,
    shares_gpu: bool = False,
) -> Progress:
    """The trial so far, with what the study's other trials have reached.

    Args:
        star: what a star is worth in the ratings' units: `Scale.star`.
        learned_noise: architecture -> what another seed may change, in stars, by `confirm`.
        shares_gpu: whether other trials may train on its GPU.
    """
    return Progress(
        config=run.config,
        reports=run.reports,
        bias_val_rmse=run.bias_val_rmse,
        incumbent=ended.best_value,
        ended=ended.curves(run.config),
        metric=metric,
        star=star,
        learned_noise=learned_noise(run.config.architecture),
        shares_gpu=shares_gpu,
    )


def report_earlier_epochs(trial: Trial, run: Training, metric: Metric) -> str:
    """Report what an earlier attempt trained: pruners compare trials by it; returns a message."""
    # First: if the process ends while it reports them, they do not count as trained again.
    trial.set_user_attr("resumed_from_epoch", run.resumed_from_epoch)
    for report in run.reports:
        trial.report(metric.of(report), report.epoch)
    earlier, done = earlier_attempt(trial), len(run.reports)
    return (
        f"trial {trial.number} goes on from trial {earlier}'s checkpoint, after {done} of "
        f"{run.config.max_epochs} epochs"
    )
