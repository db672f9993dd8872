"""What the rules judge: a trial so far, with what the other trials of its study have reached."""

from __future__ import annotations

from collections.abc import Callable

from ...model.evaluation.metrics import VAL_RMSE, Metric
from ...model.training.training import Training
from ..pruners.rule import Progress
from .ended_trials import EndedTrials


def trial_progress(
    run: Training,
    ended: EndedTrials,
    metric: Metric = VAL_RMSE,
    star: float = 1.0,
    learned_noise: Callable[[str], float | None] = lambda architecture: None,
) -> Progress:
    """The trial so far, with what the study's other trials have reached.

    Args:
        star: what a star is worth in the ratings' units: `Scale.star`.
        learned_noise: architecture -> what another seed may change, in stars, by `confirm`.
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
    )
