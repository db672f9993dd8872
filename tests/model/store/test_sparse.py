"""Sparse products against the dense matrix that they stand for."""

from __future__ import annotations

import pytest
import torch
from recsys_search.model.store import sparse
from recsys_search.model.store.sparse import Chunks, RowWeights


@pytest.fixture(autouse=True, params=[1, 2, 4096])
def longest_sum(request, monkeypatch):
    """Everything holds however short the chunks are; groups have 0 to 4 rows here."""
    monkeypatch.setattr(sparse, "LONGEST_SUM", request.param)


@pytest.fixture
def weights():
    return torch.tensor([0.5, -1.0, 2.0, 0.0, 3.0, -0.25, 1.0, 4.0, -2.0], dtype=torch.float64)


@pytest.fixture
def dense(few, weights):
    matrix = torch.zeros(few.n_users, few.n_films, dtype=torch.float64)
    matrix[few.user, few.film] = weights
    return matrix


def table(n_rows):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n_rows, 3, dtype=torch.float64, generator=generator, requires_grad=True)


def test_sums_by_user_are_the_dense_product(few, weights, dense):
    films = table(few.n_films)
    torch.testing.assert_close(RowWeights(few, weights).sums_by_user(films), dense @ films)


def test_sums_by_film_are_the_transposed_product(few, weights, dense):
    users = table(few.n_users)
    torch.testing.assert_close(RowWeights(few, weights).sums_by_film(users), dense.T @ users)


def test_gradients_are_those_of_finite_differences(few, weights):
    products = RowWeights(few, weights)
    assert torch.autograd.gradcheck(products.sums_by_user, [table(few.n_films)])
    assert torch.autograd.gradcheck(products.sums_by_film, [table(few.n_users)])


def test_gradients_are_those_of_the_dense_product(few, weights, dense):
    films, same_films = table(few.n_films), table(few.n_films)
    # Expanded from one number, such a gradient has no memory of its own.
    RowWeights(few, weights).sums_by_user(films).sum().backward()
    (dense @ same_films).sum().backward()
    torch.testing.assert_close(films.grad, same_films.grad)


def test_a_user_without_ratings_sums_to_nothing(few, weights):
    assert RowWeights(few, weights).sums_by_user(table(few.n_films))[1].tolist() == [0, 0, 0]


def test_long_groups_are_cut_and_empty_ones_stay():
    """Groups of 3, 0, 5 and 2 rows, at most 2 rows together."""
    chunks = Chunks.cut(torch.tensor([0, 3, 3, 8, 10]), longest=2)
    assert chunks.offsets.tolist() == [0, 2, 3, 3, 5, 7, 8, 10]
    assert chunks.of_group.tolist() == [0, 2, 3, 6, 7]


def test_short_groups_are_not_cut():
    offsets = torch.tensor([0, 3, 3, 8, 10])
    chunks = Chunks.cut(offsets, longest=5)
    assert chunks.offsets is offsets and chunks.of_group is None


def test_a_sum_over_many_rows_is_nearer_to_the_exact_one_in_chunks():
    n = 200_000
    values = torch.rand(n, 1, generator=torch.Generator().manual_seed(0))
    offsets, rows = torch.tensor([0, n]), torch.arange(n)
    exact = values.double().sum()
    error = [
        float((Chunks.cut(offsets, longest).sums(rows, torch.ones(n), values) - exact).abs())
        for longest in (n, 4096)
    ]
    assert error[1] < error[0] / 5
