"""Genres and release years as numeric columns."""

from __future__ import annotations

import torch
from torch import Tensor

YEARS_PER_BIN = 5


def side_features(genres: Tensor, year: Tensor) -> Tensor:
    """Genres unchanged, and years in soft bins: each is interpolated between its two nearest bins.

    Args:
        genres: (n_films, n_genres) 0 or 1.
        year: (n_films,) year of release, 0 where unknown.

    Returns:
        (n_films, n_genres + n_bins). An unknown year is 0 in every bin; without a known year there
        are no bins.
    """
    known = year > 0
    if not known.any():
        return genres
    first, last = int(year[known].min()), int(year[known].max())
    bins = torch.arange(first, last + YEARS_PER_BIN, YEARS_PER_BIN, device=year.device)
    distance = (year.unsqueeze(1) - bins).abs() / YEARS_PER_BIN  # (n_films, n_bins)
    nearness = (1.0 - distance).clamp(min=0.0) * known.unsqueeze(1)
    return torch.cat([genres, nearness], dim=1)
