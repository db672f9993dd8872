"""Our models: named configs, trained on a split's train ratings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from numpy.typing import NDArray
from recsys_search.data.ratings import Ratings
from recsys_search.data.splits.split import Split
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.architectures.models import build_model
from recsys_search.model.components.rating_model import RatingModel
from recsys_search.model.config import TrainingConfig
from recsys_search.model.store.train_store import TrainStore
from recsys_search.model.training.training import Training

OURS: Mapping[str, Mapping[str, Any]] = {
    "two_tower": {"architecture": "two_tower"},
    "two_tower-past": {"architecture": "two_tower", "neighbours": "past"},
    "two_tower-off": {"architecture": "two_tower", "neighbours": "off"},
    # The schedule that suits towers alone.
    "two_tower-off-60": {
        "architecture": "two_tower",
        "neighbours": "off",
        "max_epochs": 60,
        "batch_size": 16384,
    },
    "two_tower-no-side": {"architecture": "two_tower", "side": False},
    "mf": {"architecture": "mf"},
    "biases": {"architecture": "biases"},
    "hybrid": {"architecture": "hybrid"},
}


@dataclass(frozen=True)
class Trained:
    """A model with the weights of its best epoch by validation RMSE.

    Attributes:
        store: of the train ratings.
        amp: the precision in use.
        val_rmse, last_val_rmse: of the best epoch, and of the last one.
    """

    model: RatingModel
    store: TrainStore
    amp: str
    best_epoch: int
    val_rmse: float
    last_val_rmse: float

    def predict(self, asked: Ratings) -> NDArray[Any]:
        """(n,) expected ratings."""
        return self.model.predict(self.store.held_out(asked)).cpu().numpy()


def named_config(name: str) -> TrainingConfig:
    """The config of a name in `OURS`."""
    named = dict(OURS[name])
    return build_config(named.pop("architecture"), **named)


def is_seeded(config: TrainingConfig) -> bool:
    return "seed" in (field.name for field in fields(config))


def train(config: TrainingConfig, split: Split, seed: int | None) -> Trained:
    """Train a config with another seed."""
    if seed is not None:
        config = replace(config, seed=seed)  # type: ignore[call-arg]
    with Training(config, split) as training:
        reports = list(training)
        device, amp = training.device, training.amp
    assert training.best is not None, f"{config.architecture} diverged with seed {seed}"
    store = TrainStore.build(split.train, device)
    with torch.random.fork_rng([]):  # the random weights are replaced right away
        model = build_model(config.for_split(is_random=split.spec.is_random), store)
    model.load_state_dict(training.best.weights)
    best = training.best.report
    last_val_rmse = reports[-1].val_rmse
    return Trained(model.eval(), store, amp, best.epoch, best.val_rmse, last_val_rmse)
