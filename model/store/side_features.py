"""What a film is known by besides its ratings, as columns of numbers."""

from __future__ import annotations

import torch
from torch import Tensor

YEARS_APART = 5  # of two neighbouring bins


def side_features(genres: Tensor, year: Tensor) -> Tensor:
    """Genres as they are, years in soft bins: a film lies between the two bins next to its year.

    Args:
        genres: (n_films, n_genres) 0 or 1.
        year: (n_films,) year of release, 0 where unknown.

    Returns:
        (n_films, n_genres + n_bins); without a known year no bins, and an unknown one is in none.
    """
    known = year > 0
    if not known.any():
        return genres
    first, last = int(year[known].min()), int(year[known].max())
    bins = torch.arange(first, last + YEARS_APART, YEARS_APART, device=year.device)
    distance = (year.unsqueeze(1) - bins).abs() / YEARS_APART  # (n_films, n_bins)
    nearness = (1.0 - distance).clamp(min=0.0) * known.unsqueeze(1)
    return torch.cat([genres, nearness], dim=1)
