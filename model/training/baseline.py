"""The validation RMSE of the bias baseline, without a training."""

from __future__ import annotations

import torch

from ...data.splits.split import Split
from ..store.train_store import TrainStore
from .quality import bias_rmse


def bias_val_rmse(split: Split) -> float:
    """Validation RMSE of the bias baseline, up to rounding `Training.bias_val_rmse` of this split.

    On the CPU, so that a process that trains nothing does not use a GPU.
    """
    store = TrainStore.of(split.train, torch.device("cpu"))
    rating = torch.from_numpy(split.validation.rating)
    return bias_rmse(store, store.held_out(split.validation), rating)
