"""The validation RMSE of the bias baseline, without a training."""

from __future__ import annotations

import torch

from ...data.splits.split import Split
from ..store.train_store import TrainStore
from .device import resolve_device
from .quality import bias_rmse


def bias_val_rmse(split: Split, device: str = "auto") -> float:
    """Validation RMSE of the bias baseline, the same as `Training.bias_val_rmse` of this split.

    Raises:
        ConfigError: there is no such device.
    """
    store = TrainStore.of(split.train, resolve_device(device))
    rating = torch.from_numpy(split.validation.rating).to(store.device)
    return bias_rmse(store, store.held_out(split.validation), rating)
