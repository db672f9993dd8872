"""Whether a model's latents are alive: measured in eval mode, the same rows each epoch.

Rules that judge these figures stand with the pruners; here they are only measured.
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

ACTIVE_VARIANCE = 0.01  # of mu over the data, above which a unit is active
HEALTH_ROWS = 2000  # rows of the validation split on which health is measured


@dataclass(frozen=True, kw_only=True)
class Health:
    """Figures of each tower.

    Attributes:
        active_units: dimensions whose mu varies over the rows by more than 0.01.
        kl: raw KL in nats, summed over dimensions, mean of the rows: never clamped by free bits,
            below which a collapse cannot be seen.
        shuffle_cost: by how much of itself the MSE grows when this tower's z is exchanged between
            rows. 0 where the decoder ignores it; NaN where the MSE is 0.
    """

    active_units: Mapping[str, int]
    kl: Mapping[str, float]
    shuffle_cost: Mapping[str, float]


@torch.no_grad()
def measure_health(model: RatingModel, pairs: Pairs, rating: Tensor, shared: object) -> Health:
    """Of (n,) pairs with their ratings, none of them a train rating; no towers, no figures.

    Args:
        shared: the model's `encode_for_eval()`.

    Source: active units by Burda et al. 2016, arXiv:1509.00519, section 5.2.
    """
    if not isinstance(model, RatingVAE):
        return Health(active_units={}, kl={}, shuffle_cost={})
    posteriors = model.posteriors(pairs, shared)

    def mse(posteriors: Mapping[str, Posterior]) -> float:
        expected = model.expected(pairs, model.output(pairs, posteriors))
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
    """(n,) the same order each time, in which no row keeps its place: one cycle through all."""
    order = np.random.default_rng(0).permutation(n)
    partner = np.empty_like(order)
    partner[order] = np.roll(order, 1)
    return torch.from_numpy(partner).to(device)
