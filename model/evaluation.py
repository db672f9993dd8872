"""What a model is worth on ratings that it does not look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from .elbo import elbo
from .reports import rmse
from .store import Pairs
from .vae import RatingVAE

ACTIVE_VARIANCE = 0.01  # of mu over the data, above which a unit is active
HEALTH_ROWS = 2000  # rows on which activity is measured


class Quality(NamedTuple):
    """Attributes: mse, rmse: of the expected ratings; loss: mse + beta * KL of the same rows."""

    mse: float
    rmse: float
    loss: float


def evaluate(
    model: RatingVAE, pairs: Pairs, rating: Tensor, *, beta: float, free_bits: float
) -> Quality:
    """Eval mode, z at its mean; a pair that is a train row is left out of its own sums.

    Args:
        rating: (n,) stars of the pairs.
    """
    squared_error = torch.zeros((), dtype=torch.float64, device=rating.device)
    kl_cost = torch.zeros_like(squared_error)
    start = 0
    for batch, output in model.outputs(pairs):
        target = rating[start : start + len(batch)]
        start += len(batch)
        error = model.expected(batch, output) - target
        squared_error += error.double().square().sum()
        parts = elbo(model.likelihood, output, target, beta=beta, free_bits=free_bits)
        kl_cost += beta * parts.kl_clamped * len(batch)
    mse = float(squared_error) / len(pairs)
    return Quality(mse, rmse(mse), mse + float(kl_cost) / len(pairs))


def active_units(model: RatingVAE, pairs: Pairs) -> Mapping[str, int]:
    """Per tower, the dimensions whose mu varies over the pairs by more than 0.01.

    Source: Burda et al. 2016, arXiv:1509.00519, section 5.2.
    """
    mus: dict[str, list[Tensor]] = {}
    for _, output in model.outputs(pairs):
        for tower, posterior in output.posteriors.items():
            mus.setdefault(tower, []).append(posterior.mu)
    return {
        tower: int((torch.cat(parts).var(0, correction=0) > ACTIVE_VARIANCE).sum())
        for tower, parts in mus.items()
    }
