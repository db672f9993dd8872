"""Captured steps, with a tape of torch's operations in place of a CUDA graph.

Like a graph, a tape repeats the work on the same tensors without the Python code around it: a
number or a tensor that the code would choose again in each step stays what it was.
"""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
from recsys_search.model.components.dropout import Dropout
from recsys_search.model.training.descent import graphs, row_adamw
from recsys_search.model.training.descent.graphs import WARM_UP_STEPS, CapturedSteps
from recsys_search.model.training.reports import MEASURED
from recsys_search.model.training.training import Training
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

READS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::item", "aten::_unique2")
"""Operations that a GPU cannot record: they wait for it, or their shapes depend on values."""


class Tape(TorchDispatchMode):
    """Records operations while they run."""

    def __init__(self):
        super().__init__()
        self._records = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func._schema.name not in READS, func
        result = func(*args, **(kwargs or {}))
        self._records.append((func, args, kwargs or {}, result))
        return result

    def replay(self):
        for func, args, kwargs, recorded in self._records:
            result = func(*args, **kwargs)
            for old, new in zip(tree_leaves(recorded), tree_leaves(result), strict=True):
                if isinstance(old, Tensor):
                    for target, source in zip(parts_of(old), parts_of(new), strict=True):
                        if target.data_ptr() != source.data_ptr():
                            target.copy_(source)


def parts_of(tensor):
    return [tensor._indices(), tensor._values()] if tensor.is_sparse else [tensor]


class Tapes:
    """`CudaGraphs`, except that a step is taken while it is recorded, not replayed afterwards."""

    def __init__(self):
        self.n_replays = self.n_captures = 0

    def warm_up(self, function):
        return function()

    def capture(self, function):
        self.n_captures += 1
        with Tape() as tape:
            result = function().clone()
        is_first = True

        def replay():
            nonlocal is_first
            if not is_first:
                self.n_replays += 1
                with torch.no_grad():
                    tape.replay()
            is_first = False
            return result

        return replay


def train(config, split, tapes=None):
    with Training(config, split, "cpu") as run:
        if tapes is not None:
            assert run._model.repeats_steps
            run._fit._captured = CapturedSteps(tapes)
        for _ in run:
            pass
    return run


def curve(run):
    return [
        {name: value for name, value in asdict(report).items() if name not in MEASURED}
        for report in run.reports
    ]


@pytest.fixture(params=["by row", "dense"])
def tables(request, monkeypatch):
    """How embeddings are updated, whatever their size."""
    monkeypatch.setattr(row_adamw, "ROWS_PER_LOOKUP", 0 if request.param == "by row" else 10**9)


@pytest.fixture(autouse=True)
def dropout_of_a_gpu(monkeypatch):
    """torch's own dropout: ours on a CPU asks its generator for a number."""
    monkeypatch.setattr(Dropout, "forward", nn.Dropout.forward)


HYBRID = {"max_epochs": 3, "batch_size": 37, "lr_warmup_epochs": 1.5, "dropout": 0.3}


@pytest.mark.parametrize(
    ("architecture", "values"),
    [
        ("mf", {"max_epochs": 3, "batch_size": 37}),
        ("hybrid", HYBRID),
        ("hybrid", {**HYBRID, "kl_schedule": "cyclical", "weight_decay": 0.1}),
        ("hybrid", {**HYBRID, "kl_schedule": "controller", "grad_clip": 0.01}),
        ("hybrid", {**HYBRID, "skip": True, "bias": True}),
        ("hybrid", {**HYBRID, "amp": "bf16"}),
        ("hybrid", {**HYBRID, "likelihood": "ordinal"}),
        ("hybrid", {**HYBRID, "likelihood": "gaussian"}),
    ],
)
def test_a_training_of_replayed_steps_is_that_of_plain_ones(
    split, small_config, tables, architecture, values
):
    """480 ratings are 13 steps an epoch: 12 of 37 rows and one of 36."""
    config = small_config(architecture, **values)
    tapes = Tapes()
    replayed = train(config, split, tapes)
    assert (tapes.n_captures, tapes.n_replays) == (1, 39 - 3 - WARM_UP_STEPS - 1)
    plain = train(config, split)
    assert curve(replayed) == curve(plain)
    for name, weight in plain.best.weights.items():
        assert torch.equal(weight, replayed.best.weights[name]), name


def test_a_model_whose_refresh_replaces_tensors_is_not_captured(split, small_config):
    for config in (small_config(), small_config("hybrid", neighbours="both")):
        with Training(config, split, "cpu") as run:
            assert not run._model.repeats_steps


def test_each_number_of_rows_has_a_graph_of_its_own():
    total, tapes = torch.zeros(()), Tapes()
    steps = CapturedSteps(tapes)

    def add(rows):
        return total.add_(rows.sum())

    batches = [torch.arange(n) for n in (3, 4, 3, 3, 4, 3, 4, 4, 3, 4)]
    sums = [float(steps.run(add, rows)) for rows in batches]
    expected = torch.stack([rows.sum() for rows in batches]).cumsum(0)
    assert sums == expected.tolist()
    assert tapes.n_captures == 2


class Broken(Tapes):
    def capture(self, function):
        raise RuntimeError("operation not permitted when stream is capturing")


def test_a_capture_that_fails_is_reported_once_and_the_training_goes_on(split, small_config):
    config = small_config("mf", max_epochs=2, batch_size=50)
    expected = "cannot be captured as a CUDA graph: .*not permitted"
    with pytest.warns(UserWarning, match=expected) as caught:
        run = train(config, split, Broken())
    assert len(caught) == 1
    assert "RECSYS_SEARCH_CUDA_GRAPHS=0 does not try" in str(caught[0].message)
    assert curve(run) == curve(train(config, split))


def test_graphs_can_be_turned_off(monkeypatch):
    assert graphs.graphs_are_enabled()
    monkeypatch.setenv("RECSYS_SEARCH_CUDA_GRAPHS", "0")
    assert not graphs.graphs_are_enabled()
