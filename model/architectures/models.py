"""From a config to its model, and how large that is."""

from __future__ import annotations

from torch import nn

from ..components.rating_model import RatingModel
from ..config import TrainingConfig
from ..store.train_store import TrainStore
from .table import find_architecture


def build_model(config: TrainingConfig, store: TrainStore) -> RatingModel:
    """A model with fresh weights, drawn from torch's global generator, on the store's device."""
    return find_architecture(config.architecture).model(config, store).to(store.device)


def count_net_parameters(model: RatingModel) -> int:
    """Number of trained weights outside embeddings, whose size depends on the dataset."""
    tables = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    embedded = sum(parameter.numel() for table in tables for parameter in table.parameters())
    return count_parameters(model) - embedded


def count_parameters(model: RatingModel) -> int:
    """Number of trained or fitted weights, embeddings included."""
    return sum(parameter.numel() for parameter in model.parameters())
