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
def test_a_share_of_p_is_dropped(p):
    n = 400_000
    dropped = (Dropout(p)(torch.ones(n)) == 0).float().mean().item()
    four_sds = 4 * (p * (1 - p) / n) ** 0.5
    assert abs(dropped - p) < four_sds


def test_kept_values_are_scaled_up_to_preserve_the_mean():
    out = Dropout(0.2)(torch.full((5, 7), 4.0))
    assert sorted(out.unique().tolist()) == [0.0, approx(5.0, rel=1e-4)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_kept_value_is_scaled_in_its_own_precision(dtype):
    out = Dropout(0.4)(torch.ones(1000, dtype=dtype))
    scale = float(torch.tensor(1 / 0.6, dtype=dtype))
    assert out.unique().tolist() == [0.0, approx(scale, rel=2e-5)]


def test_neighbours_are_dropped_independently():
    dropped = (Dropout(0.5)(torch.ones(400_000)) == 0).double()
    for lag in range(1, 9):  # within one 64-bit word of random bits, and across two
        product = ((dropped[lag:] - 0.5) * (dropped[:-lag] - 0.5)).mean().item()
        assert abs(product) < 0.25 * 4 / 400_000**0.5


def test_the_gradient_has_the_same_mask_as_the_value():
    x = torch.full((3, 5), 2.0, requires_grad=True)
    out = Dropout(0.4)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach() / 2)


@pytest.mark.parametrize("shape", [(0,), (1,), (3,), (5, 0), (2, 3, 5)])
def test_the_shape_is_preserved(shape):
    assert Dropout(0.5)(torch.ones(shape)).shape == shape


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_the_dtype_is_preserved(dtype):
    assert Dropout(0.5)(torch.ones(8, dtype=dtype)).dtype == dtype


def test_the_seed_decides_the_mask():
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(Dropout(0.5)(torch.ones(64)))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_p_of_0_keeps_everything_and_p_of_1_nothing(p):
    assert torch.equal(Dropout(p)(torch.ones(9)), torch.full((9,), 1 - p))


def test_nothing_is_dropped_in_eval_mode():
    x = torch.randn(9)
    assert torch.equal(Dropout(0.5).eval()(x), x)
