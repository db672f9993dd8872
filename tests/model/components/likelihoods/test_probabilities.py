"""Probabilities of ratings under Gaussians that are cut into levels."""

from __future__ import annotations

import torch
from pytest import approx
from recsys_search.model.components.likelihoods.probabilities import (
    gaussian_probabilities,
    nearest_level,
)

LEVELS = torch.tensor([1.0, 2.0, 3.0])


def phi(z):
    return float(torch.special.ndtr(torch.tensor(z, dtype=torch.float64)))


def probabilities_of(mean, std, ratings, levels=LEVELS):
    n = len(ratings)
    return gaussian_probabilities(
        torch.full((n,), mean), torch.full((n,), std), torch.tensor(ratings), levels
    )


def test_each_level_has_the_part_that_is_nearest_to_it():
    """Around 2 with a standard deviation of 0.5, the edges 1.5 and 2.5 are at -1 and 1."""
    probabilities = probabilities_of(2.0, 0.5, [1.0, 2.0, 3.0])
    assert probabilities.below.tolist() == approx([0, phi(-1), phi(1)])
    assert probabilities.log_mass.exp().tolist() == approx([phi(-1), phi(1) - phi(-1), phi(-1)])


def test_the_probabilities_of_all_levels_sum_to_one():
    probabilities = probabilities_of(2.7, 0.9, LEVELS.tolist())
    assert float(probabilities.log_mass.exp().sum()) == approx(1, rel=1e-12)


def test_a_rating_between_levels_counts_for_the_nearest():
    levels = torch.tensor([1.0, 2.0, 4.0])
    assert nearest_level(torch.tensor([0.0, 1.4, 1.6, 2.9, 3.1, 9.0]), levels).tolist() == [
        0,
        0,
        1,
        1,
        2,
        2,
    ]


def test_a_rating_far_from_the_mean_has_a_tiny_probability_with_a_finite_logarithm():
    """-log Φ(-z) is about z²/2 + log(z·√(2π)) for large z: 5000 + 5.52 for 100."""
    above, below = (
        probabilities_of(0.0, 0.025, [3.0, 1.0]),
        probabilities_of(4.0, 0.025, [3.0, 1.0]),
    )
    assert above.log_mass.isfinite().all()
    assert below.log_mass.isfinite().all()
    assert float(below.log_mass[1]) == approx(-5005.52, abs=0.01)  # 1.5 is 100 stds below 4


def test_both_sides_of_the_mean_are_the_same():
    above, below = probabilities_of(2.5, 0.1, [1.0]), probabilities_of(1.5, 0.1, [3.0])
    assert float(above.log_mass) == approx(float(below.log_mass), rel=1e-12)
