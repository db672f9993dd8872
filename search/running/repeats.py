"""A suggestion that the study has trained already: it reuses the earlier trial's result."""

from __future__ import annotations

from optuna import Study
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial

from ...model.config import TrainingConfig, config_to_mapping
from ...model.evaluation.metrics import Metric
from ..storage.trials import CONFIG, ENVIRONMENT, SAME_AS, is_trained_complete

_REUSED = ("params", "best_epoch", "warning")


def find_same_config(study: Study, config: TrainingConfig) -> FrozenTrial | None:
    """The completed trial that was trained with exactly this config, seed included."""
    wanted = config_to_mapping(config)
    trained = filter(is_trained_complete, study.get_trials(deepcopy=False))
    return next((trial for trial in trained if trial.system_attrs.get(CONFIG) == wanted), None)


def reuse_result(trial: Trial, earlier: FrozenTrial, storage: BaseStorage, metric: Metric) -> None:
    """Copy the earlier trial's figures to the trial, but none of its epochs."""
    trial.set_user_attr(SAME_AS, earlier.number)
    for name in (*_REUSED, *metric.recorded):
        if name in earlier.user_attrs:
            trial.set_user_attr(name, earlier.user_attrs[name])
    storage.set_trial_system_attr(
        trial._trial_id, ENVIRONMENT, earlier.system_attrs.get(ENVIRONMENT)
    )
    for name, violation in earlier.constraints.items():
        trial.set_constraint(name, violation)
