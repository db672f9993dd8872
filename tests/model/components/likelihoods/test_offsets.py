"""Offsets of users or films."""

from __future__ import annotations

import torch
from pytest import approx
from recsys_search.model.components.likelihoods.offsets import GAIN, Offsets


def offsets_of(counts, values, prior_std=0.5):
    offsets = Offsets(torch.tensor(counts), 1, prior_std)
    with torch.no_grad():
        offsets.table.weight.copy_(torch.tensor(values).unsqueeze(1) / GAIN)
    return offsets


def test_they_are_zero_at_first_and_for_unknown_ones():
    assert Offsets(torch.tensor([1, 1]), 3, 1.0)(torch.tensor([0, 1])).tolist() == [[0] * 3] * 2
    offsets = offsets_of([1, 1], [0.5, 2.0])
    assert offsets(torch.tensor([1, -1, 0])).flatten().tolist() == approx([2, 0, 0.5])


def test_over_all_ratings_every_offset_costs_what_the_prior_says():
    """Three ratings of one user, one of the other: (1² + 2²) / (2 · 0.5²) nats in total."""
    offsets = offsets_of([3, 1], [1.0, 2.0])
    every = torch.tensor([0, 0, 1, 0])
    assert 4 * float(offsets.cost(every).detach()) == approx((1 + 4) / (2 * 0.25), rel=1e-6)


def test_users_without_ratings_and_unknown_ones_cost_nothing():
    offsets = offsets_of([0, 1], [0.0, 0.0])
    assert float(offsets.cost(torch.tensor([0, -1])).detach()) == 0


def test_no_random_number_is_drawn():
    """So that the same seed gives the same model with another likelihood."""
    before = torch.get_rng_state()
    Offsets(torch.ones(5), 2, 1.0)
    assert torch.equal(torch.get_rng_state(), before)
