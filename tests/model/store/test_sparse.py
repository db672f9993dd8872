"""Sparse products equal products with the dense matrix."""

from __future__ import annotations

import pytest
import torch
from recsys_search.model.store import sparse
from recsys_search.model.store.sparse import Chunks, RowWeights


@pytest.fixture(autouse=True, params=[1, 2, 4096])
def max_rows_per_sum(request, monkeypatch):
    """Run every test with several chunk lengths; groups have 0 to 4 rows here."""
    monkeypatch.setattr(sparse, "MAX_ROWS_PER_SUM", request.param)


@pytest.fixture
def weights():
    return torch.tensor([0.5, -1.0, 2.0, 0.0, 3.0, -0.25, 1.0, 4.0, -2.0], dtype=torch.float64)


@pytest.fixture
def dense(tiny_store, weights):
    matrix = torch.zeros(tiny_store.n_users, tiny_store.n_films, dtype=torch.float64)
    matrix[tiny_store.user, tiny_store.film] = weights
    return matrix


def table(n_rows):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n_rows, 3, dtype=torch.float64, generator=generator, requires_grad=True)


def test_sums_by_user_are_the_dense_product(tiny_store, weights, dense):
    films = table(tiny_store.n_films)
    torch.testing.assert_close(RowWeights(tiny_store, weights).sums_by_user(films), dense @ films)


def test_sums_by_film_are_the_transposed_product(tiny_store, weights, dense):
    users = table(tiny_store.n_users)
    torch.testing.assert_close(RowWeights(tiny_store, weights).sums_by_film(users), dense.T @ users)


def test_gradients_match_finite_differences(tiny_store, weights):
    products = RowWeights(tiny_store, weights)
    assert torch.autograd.gradcheck(products.sums_by_user, [table(tiny_store.n_films)])
    assert torch.autograd.gradcheck(products.sums_by_film, [table(tiny_store.n_users)])


def test_gradients_match_the_dense_product(tiny_store, weights, dense):
    films, same_films = table(tiny_store.n_films), table(tiny_store.n_films)
    # The gradient of a sum is expanded from one number, so it is not contiguous.
    RowWeights(tiny_store, weights).sums_by_user(films).sum().backward()
    (dense @ same_films).sum().backward()
    torch.testing.assert_close(films.grad, same_films.grad)


def test_the_sum_of_a_user_without_ratings_is_zero(tiny_store, weights):
    assert RowWeights(tiny_store, weights).sums_by_user(table(tiny_store.n_films))[1].tolist() == [
        0,
        0,
        0,
    ]


def test_long_groups_are_cut_and_empty_ones_kept():
    """Groups of 3, 0, 5 and 2 rows in chunks of at most 2."""
    chunks = Chunks.cut(torch.tensor([0, 3, 3, 8, 10]), max_rows=2)
    assert chunks.offsets.tolist() == [0, 2, 3, 3, 5, 7, 8, 10]
    assert chunks.group_offsets.tolist() == [0, 2, 3, 6, 7]


def test_short_groups_are_not_cut():
    offsets = torch.tensor([0, 3, 3, 8, 10])
    chunks = Chunks.cut(offsets, max_rows=5)
    assert chunks.offsets is offsets and chunks.group_offsets is None


def test_chunks_make_a_sum_over_many_rows_more_exact():
    n = 200_000
    values = torch.rand(n, 1, generator=torch.Generator().manual_seed(0))
    offsets, rows = torch.tensor([0, n]), torch.arange(n)
    exact = values.double().sum()
    error = [
        float((Chunks.cut(offsets, max_rows).sums(rows, torch.ones(n), values) - exact).abs())
        for max_rows in (n, 4096)
    ]
    assert error[1] < error[0] / 5
