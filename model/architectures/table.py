"""From a config to its model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from ..components.rating_model import RatingModel
from ..config import TrainingConfig
from ..store.train_store import TrainStore
from .baselines import BiasModel, MatrixFactorisation
from .hybrid import HybridVAE
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


def count_net_parameters(model: RatingModel) -> int:
    """Trained numbers besides the embeddings', whose number goes with the users and films."""
    tables = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    embedded = sum(parameter.numel() for table in tables for parameter in table.parameters())
    return count_parameters(model) - embedded


def count_parameters(model: RatingModel) -> int:
    """Trained or fitted numbers, embeddings included."""
    return sum(parameter.numel() for parameter in model.parameters())
