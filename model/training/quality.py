"""Errors and loss of a model on ratings that it does not see."""

from __future__ import annotations

from math import nan
from typing import NamedTuple

import torch
from torch import Tensor

from ...data.ratings import Ratings
from ..components.rating_model import RatingModel
from ..evaluation.metrics import METRICS, Metric, Predictions
from ..store.train_store import Pairs, TrainStore
from .elbo import KlCost, kl_and_clamped
from .reports import FIELDS, rmse


class Quality(NamedTuple):
    """Figures of a model on some rows.

    Attributes:
        mse, rmse: of the expected ratings.
        loss: the likelihood's, such as the MSE, + beta * KL + the model's own penalty.
        predicted, score: (n,) expected stars, clipped and unclipped; None unless requested.

    Without rows the figures are NaN.
    """

    mse: float
    rmse: float
    loss: float
    predicted: Tensor | None = None
    score: Tensor | None = None


@torch.no_grad()
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
    loss = torch.zeros_like(squared_error)
    kept: list[tuple[Tensor, Tensor]] = []
    start = 0
    for batch, output in model.outputs(pairs, shared):
        target = rating[start : start + len(batch)]
        start += len(batch)
        score = model.unclipped(batch, output)
        expected = model.likelihood.expected(score)
        if keep_predictions:
            kept.append((expected, score))
        error = expected - target
        squared_error += error.double().square().sum()
        fit_error = model.likelihood.loss(expected, batch, target)
        _, kl_clamped = kl_and_clamped(output, kl_cost)
        loss += (fit_error + kl_cost.beta * kl_clamped + output.penalty) * len(batch)
    if not len(pairs):
        return Quality(nan, nan, nan)
    mse = float(squared_error) / len(pairs)
    quality = Quality(mse, rmse(mse), float(loss) / len(pairs))
    if not kept:
        return quality
    predicted, score = map(torch.cat, zip(*kept, strict=True))
    return quality._replace(predicted=predicted, score=score)


def compute_metrics(
    metric: Metric,
    quality: Quality,
    model: RatingModel,
    pairs: Pairs,
    rating: Tensor,
    part: Ratings,
) -> dict[str, float]:
    """The values of a metric and its parts by name, except fields of the report.

    Args:
        quality: on the part of the split; without its predictions, there are no values.
    """
    if quality.predicted is None or quality.score is None:
        return {}
    predictions = Predictions(
        predicted=quality.predicted,
        score=quality.score,
        rating=rating,
        user=pairs.user,
        film=pairs.film,
        part=part,
        model=model,
    )
    parts = [METRICS[name] for name in metric.parts if name not in FIELDS]
    return {each.name: each.compute(predictions) for each in (*parts, metric)}


def bias_rmse(store: TrainStore, pairs: Pairs, rating: Tensor) -> float:
    """RMSE of the bias baseline on pairs and their ratings."""
    return store.biases.rmse(pairs.user, pairs.film, rating, store.scale)
