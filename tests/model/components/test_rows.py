"""Rows of tables have the values and the gradients that autograd gives, in place or not."""

from __future__ import annotations

import pytest
import torch
from recsys_search.model.components.rows import Held, LeftOut, rows_of, sums_without

INDEX = torch.tensor([3, 0, 3, 1])  # with a row that is read twice
OTHER = torch.tensor([0, 0, 1, 1])


def table(n_rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_rows, 2, dtype=torch.float64, generator=generator).requires_grad_()


@pytest.fixture
def weights():
    return torch.tensor([[0.5], [-1.0], [0.0], [2.0]], dtype=torch.float64)


def test_rows_are_those_of_indexing():
    rows = table(4)
    assert torch.equal(rows_of(rows, INDEX), rows[INDEX])
    assert torch.autograd.gradcheck(lambda values: rows_of(values, INDEX), [rows])


def test_a_gradient_that_is_there_is_added_to_in_place():
    ours, theirs = table(4), table(4)
    ours.grad = before = torch.zeros_like(ours)
    for _ in range(2):
        rows_of(ours, INDEX).square().sum().backward()
        theirs[INDEX].square().sum().backward()
    assert ours.grad is before
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("is_added", [True, False])
def test_sums_without_a_rating_are_the_plain_formula(weights, is_added):
    scale = torch.rand(4, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    inputs = [table(4, seed) for seed in range(4)]
    plain = torch.ones_like(weights)

    def ours(sums, rated, seen, added):
        left_out = LeftOut(rated, OTHER, weights), LeftOut(seen, OTHER, plain)
        return sums_without(sums, INDEX, left_out, scale, added if is_added else None)

    def formula(sums, rated, seen, added):
        left = (sums[INDEX] - weights * rated[OTHER] - seen[OTHER]) * scale
        return left + added[INDEX] if is_added else left

    torch.testing.assert_close(ours(*inputs), formula(*inputs))
    assert torch.autograd.gradcheck(ours, inputs)


def test_a_table_that_needs_no_gradient_gets_none(weights):
    sums, rated, seen = (table(4, seed) for seed in range(3))
    seen.requires_grad_(False)
    left_out = LeftOut(rated, OTHER, weights), LeftOut(seen, OTHER, weights)
    sums_without(sums, INDEX, left_out, torch.ones_like(weights), None).sum().backward()
    assert seen.grad is None and rated.grad is not None


def test_held_values_hand_their_gradients_to_what_they_were_computed_from():
    """Two readers, as two threads would be: their gradients add up."""
    ours, theirs = table(4), table(4)
    nested = (2 * ours, (ours, None, "a word"))
    readers = [Held(nested) for _ in range(2)]
    for reader in readers:
        twice, (plain, nothing, word) = reader.shared
        (rows_of(twice, INDEX) * rows_of(plain, INDEX)).sum().backward()
    assert (nothing, word) == (None, "a word")
    assert ours.grad is None
    Held.backward(readers)
    (2 * (2 * theirs[INDEX] * theirs[INDEX]).sum()).backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_held_values_without_a_gradient_are_passed_on():
    values = torch.ones(2)
    reader = Held(values)
    assert reader.shared is values
    Held.backward([reader])
