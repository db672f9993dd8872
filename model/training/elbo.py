"""The loss: MSE + beta_t · KL, the KL summed over dimensions and averaged over the batch.

A likelihood may have another loss than the MSE. A model without latents has no KL; it may add a
penalty instead.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..components.likelihoods.likelihood import Likelihood
from ..components.output import Output
from ..store.train_store import Pairs


class KlCost(NamedTuple):
    """How the KL of a batch enters the loss; not at all by default.

    KL below the free bits costs nothing and has no gradient. They apply to the sum over all
    dimensions, as in the reference model, or to each dimension (Kingma et al. 2016,
    arXiv:1606.04934, appendix C.8, with one group per dimension).

    Attributes:
        beta: KL weight; a tensor () if it depends on the data.
        free_bits: nats.
        free_bits_per: `sum` or `dimension`.
    """

    beta: Tensor | float = 0.0
    free_bits: float = 0.0
    free_bits_per: str = "sum"


class Elbo(NamedTuple):
    """The negative ELBO of a batch and its parts, each ().

    Attributes:
        loss: error + beta * kl_clamped + the model's penalty.
        error: the likelihood's loss, such as the MSE, with unclipped predictions.
        kl: raw, in nats, over all dimensions of all towers.
        kl_clamped: at least the free bits, in the sum or in each dimension.
    """

    loss: Tensor
    error: Tensor
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
    kl: Tensor = _Kl.apply(mu, logvar)
    return kl


class _Kl(torch.autograd.Function):
    """The same as autograd's, with half as many passes over the batch."""

    @staticmethod
    def forward(ctx: Any, mu: Tensor, logvar: Tensor) -> Tensor:
        var = logvar.exp()
        ctx.save_for_backward(mu, var)
        total = torch.addcmul(var, mu, mu).sub_(logvar)
        return total.mean(0).sub_(1.0).mul_(0.5)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        mu, var = ctx.saved_tensors
        share = grad / len(mu)
        return mu * share, (var - 1.0).mul_(0.5 * share)


def elbo(
    likelihood: Likelihood, output: Output, pairs: Pairs, rating: Tensor, kl_cost: KlCost
) -> Elbo:
    """The negative ELBO of a batch of ratings (batch,)."""
    error = likelihood.loss(output.prediction, pairs, rating)
    kl, kl_clamped = kl_and_clamped(output, kl_cost)
    return Elbo(error + kl_cost.beta * kl_clamped + output.penalty, error, kl, kl_clamped)


def kl_and_clamped(output: Output, kl_cost: KlCost) -> tuple[Tensor, Tensor]:
    """The KL of a batch, raw and with the free bits as a floor; see `Elbo`."""
    none = output.prediction.new_zeros(0)  # the only part for a model without latents
    per_dimension = torch.cat([none, *(kl_per_dimension(*q) for q in output.posteriors.values())])
    kl = per_dimension.sum()
    floored = {"sum": kl, "dimension": per_dimension}[kl_cost.free_bits_per]
    return kl, floored.clamp(min=kl_cost.free_bits).sum()
