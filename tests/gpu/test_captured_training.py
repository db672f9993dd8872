"""Training on a GPU: captured steps, their randomness, and embeddings updated by row."""

from __future__ import annotations

import math
from dataclasses import asdict

import pytest
import torch
from pytest import approx
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.training.descent import row_adamw
from recsys_search.model.training.descent.descent import Descent
from recsys_search.model.training.descent.row_adamw import RowAdamW
from recsys_search.model.training.reports import MEASURED
from recsys_search.model.training.training import Training
from torch import nn

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]

HYBRID = {"n_factors": 16, "hidden_dims": (32, 16), "latent_dim": 8, "batch_size": 300}
MF = {"n_factors": 16, "batch_size": 300}


@pytest.fixture(scope="module")
def split():
    return split_ratings(demo_ratings(20_000), SplitSpec())


@pytest.fixture(autouse=True, params=["by row", "dense"])
def tables(request, monkeypatch):
    """How embeddings are updated, whatever their size."""
    monkeypatch.setattr(row_adamw, "ROWS_PER_LOOKUP", 0 if request.param == "by row" else 10**9)


def train(config, split, device="cuda", should_pause=lambda: False, state=None):
    with Training(config, split, device, should_pause=should_pause) as run:
        if state is not None:
            run.resume(state)
        for _ in run:
            pass
        state = run.state()
        captured = run._fit._captured
        graphs = 0 if captured is None else len(captured._captured)
    return run, state, graphs


def curve(run):
    return [
        {name: value for name, value in asdict(report).items() if name not in MEASURED}
        for report in run.reports
    ]


def assert_close(run, other, rel=1e-3):
    """Up to rounding: kernels may be chosen differently where memory lies differently."""
    for one, two in zip(run.reports, other.reports, strict=True):
        assert one.train_loss == approx(two.train_loss, rel=rel)
        assert one.val_rmse == approx(two.val_rmse, rel=rel)
        assert one.kl == approx(two.kl, rel=10 * rel, abs=1e-4)


@pytest.mark.parametrize(
    ("architecture", "values"),
    [
        ("mf", MF),
        ("hybrid", {**HYBRID, "amp": "off"}),
        ("hybrid", {**HYBRID, "amp": "bf16"}),
        ("hybrid", {**HYBRID, "amp": "off", "kl_schedule": "controller"}),
        ("hybrid", {**HYBRID, "amp": "off", "skip": True, "bias": True}),
    ],
)
def test_captured_steps_train_as_plain_ones(split, monkeypatch, architecture, values):
    """The same random numbers too, or dropout and z would make the losses differ by more."""
    config = build_config(architecture, max_epochs=3, **values)
    captured, _, n_graphs = train(config, split)
    assert n_graphs == 2, "16,000 ratings are batches of 297 and of 296"
    monkeypatch.setenv("RECSYS_SEARCH_CUDA_GRAPHS", "0")
    plain, _, none = train(config, split)
    assert none == 0
    assert_close(captured, plain)


def test_a_replay_does_not_wait_for_the_device(split):
    config = build_config("hybrid", max_epochs=2, **HYBRID)
    with Training(config, split, "cuda") as run:
        next(iter(run))
        fit = run._fit
        fit._open = fit._begin([])
        torch.cuda.set_sync_debug_mode("error")
        try:
            for rows in fit._open.batches[:20]:
                fit.step(rows)
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_a_captured_training_goes_on_from_a_checkpoint_within_an_epoch(split):
    config = build_config("hybrid", max_epochs=3, amp="off", **HYBRID)
    steps = iter(range(1000))
    _, state, _ = train(config, split, should_pause=lambda: next(steps) == 90)
    resumed, _, n_graphs = train(config, split, state=state)
    assert n_graphs == 2
    assert_close(resumed, train(config, split)[0])


def test_a_capture_that_fails_does_not_end_the_training(split, monkeypatch):
    original = Descent._descend

    def wait(self, rows):
        kl = original(self, rows)
        float(kl)  # not permitted while capturing
        return kl

    monkeypatch.setattr(Descent, "_descend", wait)
    config = build_config("hybrid", max_epochs=2, amp="off", **HYBRID)
    with pytest.warns(UserWarning, match="cannot be captured as a CUDA graph"):
        run, _, n_graphs = train(config, split)
    assert n_graphs == 0
    monkeypatch.undo()
    monkeypatch.setenv("RECSYS_SEARCH_CUDA_GRAPHS", "0")
    assert_close(run, train(config, split)[0])


@pytest.mark.parametrize("amp", ["off", "fp16"])
def test_models_that_are_not_captured_train_by_row_too(split, amp):
    architecture = "two_tower" if amp == "off" else "hybrid"
    values = {"batch_size": 2048} if amp == "off" else HYBRID
    config = build_config(architecture, max_epochs=2, amp=amp, **values)
    run, _, n_graphs = train(config, split)
    assert n_graphs == 0
    assert all(math.isfinite(report.val_rmse) for report in run.reports)


def test_rows_are_updated_as_on_a_cpu():
    def weights(device):
        torch.manual_seed(0)
        table = nn.Embedding(5000, 200, sparse=True).to(device)
        optimizer = RowAdamW(table.parameters(), torch.device(device), weight_decay=0.1)
        generator = torch.Generator().manual_seed(1)
        for step in range(1, 30):
            index = torch.randint(5000, (4096,), generator=generator).to(device)
            optimizer.zero_grad()
            table(index).square().sum().backward()
            optimizer.clip_gradients(1.0)
            optimizer.prepare(step, 1e-2)
            optimizer.step()
        return table.weight.detach().cpu()

    assert torch.allclose(weights("cuda:0"), weights("cpu"), atol=1e-5)
