"""The validation RMSE of the bias baseline, without a training."""

from __future__ import annotations

import torch

from ...data.splits.split import Split
from ..store.bias_fit import fit_biases
from .device import resolve_device


def bias_val_rmse(split: Split, device: str = "auto") -> float:
    """Validation RMSE of the bias baseline, the same as `Training.bias_val_rmse` of this split.

    Only the train ratings' users, films and stars go to the device: nothing is sorted or grouped.

    Raises:
        ConfigError: there is no such device.
    """
    on, train, validation = resolve_device(device), split.train, split.validation
    user, film, rating = (
        torch.from_numpy(column).to(on) for column in (train.user, train.film, train.rating)
    )
    biases = fit_biases(user, film, rating, train.n_users, train.n_films)
    user, film, rating = (
        torch.from_numpy(column).to(on)
        for column in (validation.user, validation.film, validation.rating)
    )
    return biases.rmse(user, film, rating, train.scale)
