"""The bounds on the memory of a training hold for the tensors that one makes."""

from __future__ import annotations

import weakref
from itertools import count

import pytest
import torch
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.architectures import two_tower
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.architectures.memory import DataSizes, MemoryNeed, memory_need
from recsys_search.model.components.neighbours import features
from recsys_search.model.components.rating_model import EVAL_BATCH_SIZE
from recsys_search.model.training.elbo import KlCost
from recsys_search.model.training.quality import evaluate
from recsys_search.model.training.training import Training
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

HYBRID = {"hidden_dims": (128, 64), "n_factors": 50, "latent_dim": 32}


def parts_of(tensor):
    """The dense tensors that hold a tensor's content."""
    if tensor.layout is torch.sparse_coo:
        return tensor._indices(), tensor._values()
    if tensor.layout is torch.sparse_csr:
        return tensor.crow_indices(), tensor.col_indices(), tensor.values()
    return (tensor,)


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive, and their peak."""

    def __init__(self):
        super().__init__()
        self._sizes, self._now, self.peak = {}, 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                for part in parts_of(tensor):
                    self._count(part.untyped_storage())
        self.peak = max(self.peak, self._now)
        return result

    def _count(self, storage):
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self._now += storage.nbytes()
            weakref.finalize(storage, self._forget, key)

    def _forget(self, key):
        self._now -= self._sizes.pop(key, 0)


@pytest.fixture
def split():
    """A new one for each test: trainings on the same ratings share a store."""
    return split_ratings(demo_ratings(20_000, n_users=600, n_films=700), SplitSpec())


@pytest.fixture(autouse=True)
def batches_of_a_gpu(monkeypatch):
    """The same numbers of pairs at a time on both devices, in proportion to the few ratings."""
    tables = ((EVAL_BATCH_SIZE, 1024), (features.CHUNK, 512), (two_tower.PAIRS_AT_ONCE, 1024))
    for table, size in tables:
        for device in ("cpu", "cuda"):
            monkeypatch.setitem(table, device, size)


def peak_of(config, split):
    """Peak bytes of a training's first steps and an evaluation."""
    steps = count()
    with (
        LiveBytes() as memory,
        Training(config, split, "cpu", should_pause=lambda: next(steps) >= 2) as run,
    ):
        run._train_epoch()
        model = run._model
        evaluate(model, run._val_pairs, run._val_rating, model.encode_for_eval(), KlCost())
    return memory.peak


@pytest.mark.parametrize("batch_size", [64, 2048])
@pytest.mark.parametrize(
    ("architecture", "values"),
    [
        ("mf", {}),
        ("hybrid", HYBRID),
        ("hybrid", {**HYBRID, "amp": "bf16"}),
        ("hybrid", {**HYBRID, "skip": True, "bias": True, "likelihood": "ordinal"}),
        ("hybrid", {**HYBRID, "neighbours": "both"}),
        ("two_tower", {"neighbours": "off"}),
        ("two_tower", {"neighbours": "off", "amp": "bf16"}),
        ("two_tower", {"neighbours": "off", "rank_weight": 1.0, "likelihood": "gaussian"}),
        ("two_tower", {"neighbours": "past", "latent_dim": 16}),
        ("two_tower", {"neighbours": "both", "latent_dim": 128}),
    ],
)
def test_the_bound_is_above_the_peak_and_near_it(split, architecture, values, batch_size):
    values = {"amp": "off", "max_epochs": 1, **values}
    config = build_config(architecture, batch_size=batch_size, **values)
    train = split.train
    sizes = DataSizes(len(train), train.n_users, train.n_films, has_times=True)
    bound = memory_need(config, sizes).of_batch(batch_size)
    peak = peak_of(config, split)
    assert peak < bound < 4 * peak


def test_what_an_architecture_takes_is_unknown_unless_it_says():
    assert memory_need(build_config("biases"), DataSizes(100, 10, 10, True)) is None


def test_neighbours_take_nothing_without_times():
    with_times, without = (DataSizes(1000, 10, 10, has_times) for has_times in (True, False))
    config = build_config("two_tower", neighbours="both")
    off = build_config("two_tower", neighbours="off")
    assert memory_need(config, without) == memory_need(off, with_times)


def test_the_largest_batch_is_the_last_that_fits():
    need = MemoryNeed(fixed=100, per_pair=10)
    assert need.largest_batch(149) == 4
    assert need.of_batch(4) <= 149 < need.of_batch(5)
    assert need.largest_batch(90) < 1


def test_a_batch_that_is_held_in_parts_may_have_any_size():
    need = MemoryNeed(fixed=100, per_pair=10, pairs_at_once=8)
    assert need.of_batch(8) == need.of_batch(1000) == 180
    assert need.largest_batch(180) is None
    assert need.largest_batch(179) == 7


def test_a_batch_that_would_make_too_many_steps_takes_what_the_smallest_takes():
    need = MemoryNeed(fixed=100, per_pair=10, smallest_batch=4)
    assert need.of_batch(2) == need.of_batch(4) == 140
    assert need.largest_batch(139) == 0
    assert need.largest_batch(159) == 5
