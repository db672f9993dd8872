"""From a config to its model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .baselines import BiasModel, MatrixFactorisation
from .config import TrainingConfig
from .hybrid import HybridVAE
from .rating_model import RatingModel
from .store import TrainStore
from .two_tower import TwoTowerVAE

MODELS: dict[str, Callable[[Any, TrainStore], RatingModel]] = {
    "two_tower": TwoTowerVAE,
    "hybrid": HybridVAE,
    "mf": MatrixFactorisation,
    "biases": BiasModel,
}


def build_model(config: TrainingConfig, store: TrainStore) -> RatingModel:
    """A model with fresh weights, drawn from torch's global generator, on the store's device."""
    return MODELS[config.architecture](config, store).to(store.device)


def count_parameters(model: RatingModel) -> int:
    """Trained or fitted numbers, embeddings included."""
    return sum(parameter.numel() for parameter in model.parameters())
