"""Dropout on a CPU."""

from __future__ import annotations

import pytest
import torch
from pytest import approx
from recsys_search.model.components.dropout import Dropout


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("p", [0.05, 0.37, 0.5, 0.9])
def test_a_share_of_p_is_silenced(p):
    n = 400_000
    silenced = (Dropout(p)(torch.ones(n)) == 0).float().mean().item()
    four_sds = 4 * (p * (1 - p) / n) ** 0.5
    assert abs(silenced - p) < four_sds


def test_what_is_kept_grows_so_that_the_mean_stays():
    out = Dropout(0.2)(torch.full((5, 7), 4.0))
    assert sorted(out.unique().tolist()) == [0.0, approx(5.0, rel=1e-4)]


def test_neighbours_are_silenced_independently():
    silenced = (Dropout(0.5)(torch.ones(400_000)) == 0).double()
    for lag in range(1, 9):  # within a word of random bits, and across two
        product = ((silenced[lag:] - 0.5) * (silenced[:-lag] - 0.5)).mean().item()
        assert abs(product) < 0.25 * 4 / 400_000**0.5


def test_the_gradient_passes_where_the_value_did():
    x = torch.full((3, 5), 2.0, requires_grad=True)
    out = Dropout(0.4)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach() / 2)


@pytest.mark.parametrize("shape", [(0,), (1,), (3,), (5, 0), (2, 3, 5)])
def test_any_shape_comes_back(shape):
    assert Dropout(0.5)(torch.ones(shape)).shape == shape


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_type_stays(dtype):
    assert Dropout(0.5)(torch.ones(8, dtype=dtype)).dtype == dtype


def test_the_seed_decides_the_mask():
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(Dropout(0.5)(torch.ones(64)))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_at_its_ends_it_is_all_or_nothing(p):
    assert torch.equal(Dropout(p)(torch.ones(9)), torch.full((9,), 1 - p))


def test_nothing_is_silenced_in_eval_mode():
    x = torch.randn(9)
    assert torch.equal(Dropout(0.5).eval()(x), x)
