"""The validation RMSE of the bias baseline, without a training."""

from __future__ import annotations

import torch
from torch import Tensor

from ...data.ratings import Ratings
from ...data.splits.split import Split
from ..store.bias_fit import fit_biases
from .device import resolve_device


def bias_val_rmse(split: Split, device: str = "auto") -> float:
    """Validation RMSE of the bias baseline, the same as `Training.bias_val_rmse` of this split.

    Unlike a training, it needs no store of sorted and grouped ratings.

    Raises:
        ConfigError: there is no such device.
    """
    on, train = resolve_device(device), split.train
    biases = fit_biases(*_columns(train, on), train.n_users, train.n_films)
    return biases.rmse(*_columns(split.validation, on), train.scale)


def _columns(ratings: Ratings, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    user, film, rating = (
        torch.from_numpy(column).to(device)
        for column in (ratings.user, ratings.film, ratings.rating)
    )
    return user, film, rating
