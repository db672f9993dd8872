"""Errors and loss of a model on ratings that it does not see."""

from __future__ import annotations

from math import nan
from typing import NamedTuple

import torch
from torch import Tensor

from ..components.rating_model import RatingModel
from ..store.train_store import Pairs
from .elbo import KlCost, elbo
from .reports import rmse


class Quality(NamedTuple):
    """Figures of a model on some rows.

    Attributes:
        mse, rmse: of the expected ratings.
        loss: mse + beta * KL + the model's own penalty.
        predicted: (n,) expected stars; None unless requested.

    Without rows the figures are NaN.
    """

    mse: float
    rmse: float
    loss: float
    predicted: Tensor | None = None


def evaluate(
    model: RatingModel,
    pairs: Pairs,
    rating: Tensor,
    shared: object,
    kl_cost: KlCost,
    *,
    keep_predictions: bool = False,
) -> Quality:
    """Evaluate in eval mode; a pair that is a train row is left out of its own sums.

    Args:
        rating: (n,) stars of the pairs.
        shared: the result of the model's `encode_for_eval()`.
    """
    squared_error = torch.zeros((), dtype=torch.float64, device=rating.device)
    extra_cost = torch.zeros_like(squared_error)
    kept: list[Tensor] = []
    start = 0
    for batch, output in model.outputs(pairs, shared):
        target = rating[start : start + len(batch)]
        start += len(batch)
        expected = model.expected(batch, output)
        if keep_predictions:
            kept.append(expected)
        error = expected - target
        squared_error += error.double().square().sum()
        parts = elbo(model.likelihood, output, target, kl_cost)
        extra_cost += (kl_cost.beta * parts.kl_clamped + output.penalty) * len(batch)
    predicted = torch.cat(kept) if keep_predictions else None
    if not len(pairs):
        return Quality(nan, nan, nan, predicted)
    mse = float(squared_error) / len(pairs)
    return Quality(mse, rmse(mse), mse + float(extra_cost) / len(pairs), predicted)
