"""Probabilities of ratings, and of lower ones, on a scale of levels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Probabilities(NamedTuple):
    """Probabilities of what was rated, each (n,), in float64.

    Attributes:
        below: of any lower level.
        log_mass: of the rating's own level, as a logarithm.
    """

    below: Tensor
    log_mass: Tensor


def nearest_level(rating: Tensor, levels: Tensor) -> Tensor:
    """(n,) positions of the nearest levels. Args: levels: (L,) in ascending order."""
    return torch.bucketize(rating, midpoints(levels))


def midpoints(levels: Tensor) -> Tensor:
    """(L - 1,) between each level and the next."""
    return (levels[1:] + levels[:-1]) / 2


def gaussian_probabilities(
    mean: Tensor, std: Tensor, rating: Tensor, levels: Tensor
) -> Probabilities:
    """The probabilities under Gaussians, of which each level has the part that is nearest to it.

    Args:
        mean, std, rating: (n,).
        levels: (L,) in ascending order.
    """
    mean, std, levels = mean.double(), std.double(), levels.double()
    level = nearest_level(rating.double(), levels)
    end = torch.full_like(levels[:1], torch.inf)
    edges = torch.cat([-end, midpoints(levels), end])  # (L + 1,)
    low, high = (edges[level] - mean) / std, (edges[level + 1] - mean) / std
    # The mass is Φ(high) - Φ(low). Far above 0 both are almost 1, so the mirrored part is taken.
    is_above = low + high > 0
    inner = torch.where(is_above, -low, high)
    outer = torch.where(is_above, -high, low)
    log_inner, log_outer = torch.special.log_ndtr(inner), torch.special.log_ndtr(outer)
    log_mass = log_inner + torch.log(-torch.expm1(log_outer - log_inner))
    return Probabilities(torch.special.ndtr(low), log_mass)
