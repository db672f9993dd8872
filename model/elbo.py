"""The loss: MSE + beta_t · KL, the KL summed over dimensions and averaged over the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from .config import TrainingConfig
from .likelihood import Gaussian
from .vae import Output, Posterior


class Elbo(NamedTuple):
    """One batch's negative ELBO and its parts, each ().

    Attributes:
        loss: mse + beta * kl_clamped.
        mse: of the unclipped predictions.
        kl: raw, in nats, over all dimensions of all towers.
        kl_clamped: no less than the free bits.
    """

    loss: Tensor
    mse: Tensor
    kl: Tensor
    kl_clamped: Tensor


def kl_per_dimension(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(q(z|x) || N(0, 1)) of each latent dimension, in nats, averaged over the batch.

    Args:
        mu, logvar: (batch, latent), the posterior's mean and log-variance.

    Returns:
        (latent,), never negative up to rounding, before any free-bits clamp.

    Source: Kingma & Welling 2014, arXiv:1312.6114, appendix B.
    """
    return 0.5 * (mu.square() + logvar.exp() - 1.0 - logvar).mean(0)


def total_kl(posteriors: Mapping[str, Posterior]) -> Tensor:
    """(), raw, summed over the dimensions of all towers."""
    return torch.stack(
        [kl_per_dimension(*posterior).sum() for posterior in posteriors.values()]
    ).sum()


def elbo(
    likelihood: Gaussian, output: Output, rating: Tensor, *, beta: Tensor | float, free_bits: float
) -> Elbo:
    """The negative ELBO of a batch of ratings (batch,).

    Free bits hold for the sum: KL below them costs nothing and has no gradient.
    """
    mse = likelihood.loss(output.prediction, rating)
    kl = total_kl(output.posteriors)
    kl_clamped = kl.clamp(min=free_bits)
    return Elbo(mse + beta * kl_clamped, mse, kl, kl_clamped)


def beta_at(config: TrainingConfig, epochs_done: float) -> float:
    """Weight of the KL term after so many epochs, fractions included: linear, then constant."""
    if epochs_done >= config.kl_warmup_epochs:
        return config.kl_weight
    return config.kl_weight * epochs_done / config.kl_warmup_epochs
