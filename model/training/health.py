"""Health of a model's latents, measured in eval mode on the same rows each epoch.

The rules that judge these figures are pruners.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..components.output import Posterior
from ..components.rating_model import RatingModel
from ..components.vae import RatingVAE
from ..store.train_store import Pairs
from .elbo import kl_per_dimension

ACTIVE_VARIANCE = 0.01  # variance of mu over the data above which a unit is active
HEALTH_ROWS = 2000  # rows of the validation split on which health is measured


@dataclass(frozen=True, kw_only=True)
class Health:
    """Figures by tower.

    Attributes:
        active_units: number of dimensions whose mu has a variance over the rows above 0.01.
        kl: raw KL in nats, summed over dimensions, mean over the rows; not clamped by free bits,
            which would hide a collapse.
        shuffle_cost: relative growth of the MSE when this tower's z is exchanged between rows: 0 if
            the decoder ignores it, NaN if the MSE is 0.
    """

    active_units: Mapping[str, int]
    kl: Mapping[str, float]
    shuffle_cost: Mapping[str, float]


@torch.no_grad()
def measure_health(model: RatingModel, pairs: Pairs, rating: Tensor, shared: object) -> Health:
    """Health on (n,) pairs and their ratings, none of them a train rating; empty without latents.

    Args:
        shared: the result of the model's `encode_for_eval()`.

    Source: active units from Burda et al. 2016, arXiv:1509.00519, section 5.2.
    """
    if not isinstance(model, RatingVAE):
        return Health(active_units={}, kl={}, shuffle_cost={})
    posteriors, added = model.posteriors(pairs, shared), model.added(pairs)

    def mse(posteriors: Mapping[str, Posterior]) -> float:
        expected = model.expected(pairs, model.output(pairs, posteriors, added))
        return float((expected - rating).double().square().mean())

    true_mse = mse(posteriors)
    shuffled = _shuffle(len(pairs), rating.device)
    costs = {}
    for tower, (mu, logvar) in posteriors.items():
        exchanged = {**posteriors, tower: Posterior(mu[shuffled], logvar[shuffled])}
        costs[tower] = mse(exchanged) / true_mse - 1.0 if true_mse else float("nan")
    return Health(
        active_units={
            tower: int((q.mu.var(0, correction=0) > ACTIVE_VARIANCE).sum())
            for tower, q in posteriors.items()
        },
        kl={tower: float(kl_per_dimension(*q).sum()) for tower, q in posteriors.items()},
        shuffle_cost=costs,
    )


def _shuffle(n: int, device: torch.device) -> Tensor:
    """(n,) always the same permutation without fixed points: one cycle through all rows."""
    order = np.random.default_rng(0).permutation(n)
    partner = np.empty_like(order)
    partner[order] = np.roll(order, 1)
    return torch.from_numpy(partner).to(device)
