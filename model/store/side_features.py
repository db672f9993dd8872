"""What is known of films and of users besides their ratings, as numeric columns."""

from __future__ import annotations

import torch
from torch import Tensor

YEARS_PER_BIN = 5


def side_features(flags: Tensor, years: Tensor) -> Tensor:
    """Flags unchanged, and years in soft bins: each is interpolated between its two nearest bins.

    Args:
        flags: (n, n_flags) 0 or 1: genres of films, groups of users.
        years: (n,) year of release, or age; 0 where unknown.

    Returns:
        (n, n_flags + n_bins). An unknown year is 0 in every bin; without a known year there are no
        bins.
    """
    known = years > 0
    if not known.any():
        return flags
    first, last = int(years[known].min()), int(years[known].max())
    bins = torch.arange(first, last + YEARS_PER_BIN, YEARS_PER_BIN, device=years.device)
    distance = (years.unsqueeze(1) - bins).abs() / YEARS_PER_BIN  # (n, n_bins)
    nearness = (1.0 - distance).clamp(min=0.0) * known.unsqueeze(1)
    return torch.cat([flags, nearness], dim=1)
