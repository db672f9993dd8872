"""The tiny training that checks a precision."""

from __future__ import annotations

from math import inf, nan

import pytest
import torch
from recsys_search.model.architectures.hybrid import HybridVAE
from recsys_search.model.training import device
from recsys_search.model.training.self_test import SelfTest, self_test


def trained(**values):
    usual = {"amp": "bf16", "n_steps": 16, "loss": 1.0, "float32_loss": 1.0, "grad_norm": 0.5}
    return SelfTest(**{**usual, **values})


@pytest.mark.parametrize("loss", [0.96, 1.0, 1.04])
def test_losses_within_five_percent_pass(loss):
    assert trained(loss=loss).passed


@pytest.mark.parametrize(
    "values",
    [
        {"loss": 1.06},
        {"loss": 0.94},
        {"loss": nan},
        {"loss": inf},
        {"float32_loss": nan},
        {"loss": nan, "float32_loss": nan},
        {"grad_norm": inf},
        {"grad_norm": nan},
    ],
)
def test_losses_that_differ_or_are_not_finite_fail(values):
    assert not trained(**values).passed


@pytest.mark.parametrize("amp", ["bf16", "off"])
def test_a_cpu_passes_in_the_precision_that_auto_picks(monkeypatch, amp):
    monkeypatch.setattr(device, "_best_amp", lambda of: amp)
    result = self_test("cpu")
    assert (result.amp, result.n_steps) == (amp, 16)  # 2 epochs of 1600 ratings by 200
    assert result.passed
    assert (result.loss == result.float32_loss) == (amp == "off")


def test_wrong_arithmetic_in_half_precision_fails(monkeypatch):
    decode = HybridVAE.decode

    def broken(self, pairs, z):
        rating = decode(self, pairs, z)
        return rating * 2 if torch.is_autocast_enabled("cpu") else rating

    monkeypatch.setattr(device, "_best_amp", lambda of: "bf16")
    monkeypatch.setattr(HybridVAE, "decode", broken)
    result = self_test("cpu")
    assert not result.passed
    assert result.float32_loss < result.loss
