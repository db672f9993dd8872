"""Sparse products equal products with the dense matrix."""

from __future__ import annotations

import pytest
import torch
from recsys_search.model.store import sparse
from recsys_search.model.store.sparse import Chunks, Matrix


@pytest.fixture(autouse=True, params=[1, 2, 4096])
def max_rows_per_sum(request, monkeypatch):
    """Run every test with several chunk lengths; groups have 0 to 4 rows here."""
    monkeypatch.setattr(sparse, "MAX_ROWS_PER_SUM", request.param)


@pytest.fixture
def weights():
    return torch.tensor([0.5, -1.0, 2.0, 0.0, 3.0, -0.25, 1.0, 4.0, -2.0], dtype=torch.float64)


@pytest.fixture(params=["all", "each", "some"])
def kept(request):
    each = torch.ones(9, dtype=torch.bool)
    some = torch.tensor([True, False, True, True, True, False, False, True, True])
    return {"all": None, "each": each, "some": some}[request.param]


@pytest.fixture
def dense(tiny_store, kept, weights):
    """The weighted matrix, and that of ones."""
    is_kept = torch.ones(9, dtype=torch.bool) if kept is None else kept
    matrices = torch.zeros(2, tiny_store.n_users, tiny_store.n_films, dtype=torch.float64)
    matrices[0, tiny_store.user, tiny_store.film] = weights * is_kept
    matrices[1, tiny_store.user, tiny_store.film] = is_kept.double()
    return matrices


def tables(n_rows):
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(2, n_rows, 3, dtype=torch.float64, generator=generator)
    return [draw.requires_grad_() for draw in draws]


def test_sums_by_user_are_the_dense_products(tiny_store, kept, weights, dense):
    rated, seen = tables(tiny_store.n_films)
    sums = Matrix(tiny_store, kept, weights).sums_by_user(rated, seen)
    torch.testing.assert_close(sums, dense[0] @ rated + dense[1] @ seen)


def test_sums_by_film_are_the_transposed_products(tiny_store, kept, weights, dense):
    rated, seen = tables(tiny_store.n_users)
    sums = Matrix(tiny_store, kept, weights).sums_by_film(rated, seen)
    torch.testing.assert_close(sums, dense[0].T @ rated + dense[1].T @ seen)


def test_sums_without_a_weighted_table_count_ratings(tiny_store, kept, weights, dense):
    _, seen = tables(tiny_store.n_films)
    sums = Matrix(tiny_store, kept, weights).sums_by_user(None, seen)
    torch.testing.assert_close(sums, dense[1] @ seen)


def test_gradients_match_finite_differences(tiny_store, kept, weights):
    matrix = Matrix(tiny_store, kept, weights)
    rated, seen = tables(tiny_store.n_films)
    assert torch.autograd.gradcheck(matrix.sums_by_user, [rated, seen])
    assert torch.autograd.gradcheck(matrix.sums_by_film, tables(tiny_store.n_users))
    assert torch.autograd.gradcheck(lambda table: matrix.sums_by_user(None, table), [seen])


def test_gradients_match_the_dense_product(tiny_store, kept, weights, dense):
    ours, theirs = tables(tiny_store.n_films), tables(tiny_store.n_films)
    # The gradient of a sum is expanded from one number, so it is not contiguous.
    Matrix(tiny_store, kept, weights).sums_by_user(*ours).sum().backward()
    (dense[0] @ theirs[0] + dense[1] @ theirs[1]).sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_the_sum_of_a_user_without_ratings_is_zero(tiny_store, kept, weights):
    sums = Matrix(tiny_store, kept, weights).sums_by_user(*tables(tiny_store.n_films))
    assert sums[1].tolist() == [0, 0, 0]


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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_tables_in_half_precision_are_summed_in_the_type_of_the_weights(
    tiny_store, kept, weights, dense, dtype
):
    rated, seen = (each.detach().to(dtype).requires_grad_() for each in tables(tiny_store.n_films))
    sums = Matrix(tiny_store, kept, weights.float()).sums_by_user(rated, seen)
    torch.testing.assert_close(sums, (dense[0] @ rated.double() + dense[1] @ seen.double()).float())
    sums.sum().backward()
    ones = torch.ones(tiny_store.n_users, 3, dtype=torch.float64)
    for table, matrix in ((rated, dense[0]), (seen, dense[1])):
        torch.testing.assert_close(table.grad, (matrix.T @ ones).to(dtype))


@pytest.mark.parametrize("device_type", ["cpu", "cuda"])
def test_products_are_in_float32_under_autocast(tiny_store, kept, weights, dense, device_type):
    rated, seen = (each.detach().float().requires_grad_() for each in tables(tiny_store.n_films))
    # The switch itself: `torch.autocast` turns cuda's off on a machine without a GPU.
    torch.set_autocast_enabled(device_type, True)
    try:
        sums = Matrix(tiny_store, kept, weights.float()).sums_by_user(rated, seen)
    finally:
        torch.set_autocast_enabled(device_type, False)
    sums.sum().backward()
    assert sums.dtype == rated.grad.dtype == torch.float32
    expected = dense[0] @ rated.detach().double() + dense[1] @ seen.detach().double()
    torch.testing.assert_close(sums, expected.float())
