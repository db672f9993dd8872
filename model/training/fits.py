"""How an epoch fits a model: by optimiser steps, or in closed form.

A fit can pause after any step, and its `state` is what a checkpoint needs to go on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..components.rating_model import RatingModel
from ..config import DescentConfig, TrainingConfig
from .descent.descent import Descent
from .device import Precision
from .elbo import KlCost
from .fit import Fit, Steps, never
from .quality import evaluate


class ClosedForm:
    """For a model that its `refresh` fits completely."""

    def __init__(self, model: RatingModel) -> None:
        self._model = model
        self.state: dict[str, Any] = {}

    def epoch(self, should_pause: Callable[[], bool] = never) -> Steps:
        model, store = self._model, self._model.store
        model.refresh()
        every = store.pairs(torch.arange(len(store), device=store.device))
        quality = evaluate(model, every, store.rating, model.encode_for_eval(), KlCost())
        return Steps(loss=quality.loss)


def build_fit(config: TrainingConfig, model: RatingModel, precision: Precision) -> Fit:
    """The fit for a model with this config."""
    if isinstance(config, DescentConfig):
        return Descent(config, model, precision)
    return ClosedForm(model)
