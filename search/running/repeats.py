"""A suggestion that the study has trained already: it takes over what the earlier trial reached."""

from __future__ import annotations

from optuna import Study
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial

from ...model.config import TrainingConfig, config_to_mapping
from ..storage.trials import CONFIG, ENVIRONMENT, SAME_AS, is_trained_whole

_TAKEN_OVER = ("params", "val_rmse", "val_mse", "best_epoch", "warning")


def trained_before(study: Study, config: TrainingConfig) -> FrozenTrial | None:
    """The completed trial that was trained with this very config, its seed included."""
    wanted = config_to_mapping(config)
    trained = filter(is_trained_whole, study.get_trials(deepcopy=False))
    return next((trial for trial in trained if trial.system_attrs.get(CONFIG) == wanted), None)


def take_over(trial: Trial, earlier: FrozenTrial, storage: BaseStorage) -> None:
    """Gives the trial the figures of the earlier one, but none of its epochs."""
    trial.set_user_attr(SAME_AS, earlier.number)
    for name in _TAKEN_OVER:
        if name in earlier.user_attrs:
            trial.set_user_attr(name, earlier.user_attrs[name])
    storage.set_trial_system_attr(
        trial._trial_id, ENVIRONMENT, earlier.system_attrs.get(ENVIRONMENT)
    )
    for name, violation in earlier.constraints.items():
        trial.set_constraint(name, violation)
