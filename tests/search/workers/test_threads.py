"""How many workers and threads: GPUs, the environment, and what is measured."""

from __future__ import annotations

import pytest
import torch
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.training.machine import Cuda, n_threads
from recsys_search.search.definition.study_file import load_study
from recsys_search.search.workers import threads
from recsys_search.search.workers.threads import (
    Plan,
    chosen_threads,
    plan_workers,
    worker_device,
)


@pytest.fixture
def gpus(monkeypatch):
    """`gpus(n)`: a machine with 8 cores and that many GPUs."""

    def gpus(n):
        cuda = Cuda(build="12", n_gpus=n, warning="")
        monkeypatch.setattr(threads, "inspect_cuda", lambda: cuda)
        monkeypatch.setattr(threads, "resolve_device", lambda device: torch.device("cuda"))
        monkeypatch.setattr(threads, "_n_cores", lambda: 8)

    return gpus


def test_there_is_one_worker_for_each_gpu(gpus):
    gpus(4)
    assert plan_workers(None, None, "auto", None) == Plan(4, 2, None)
    assert plan_workers(None, None, "cuda:1", None) == Plan(1, None, None)
    assert plan_workers(None, None, "auto", 16) == Plan(16, 1, None)


def test_workers_are_spread_over_the_gpus(gpus):
    gpus(2)
    assert [worker_device("auto", n) for n in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert worker_device("cpu", 1) == "cpu"
    gpus(1)
    assert worker_device("auto", 1) == "auto"


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_threads_that_the_environment_sets_are_left_to_one_worker(monkeypatch, name):
    monkeypatch.setattr(threads, "_n_cores", lambda: 4)
    monkeypatch.setattr(threads, "_used_cores", lambda: 4.0)  # which would be a reason to measure
    monkeypatch.setenv(name, "3")
    assert plan_workers(None, None, "cpu", 1) == Plan(1, None, None)


def test_one_core_has_one_worker_and_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(threads, "_n_cores", lambda: 1)
    assert plan_workers(None, None, "cpu", None) == Plan(1, None, None)
    assert plan_workers(None, None, "cpu", 1) == Plan(1, None, None)


def test_chosen_threads_are_given_back_also_after_an_error():
    before = n_threads()
    with pytest.raises(ZeroDivisionError), chosen_threads(before + 1):
        assert n_threads() == before + 1
        1 / 0  # noqa: B018
    assert n_threads() == before
    with chosen_threads(None):
        assert n_threads() == before


def test_a_step_of_the_first_known_config_is_measured(workplace):
    known = [{"name": "a", "learning_rate": 2e-3, "rating_dropout": 0.2}]
    spec = load_study(workplace.write_study(known=known))
    config = threads._first_config(spec)
    assert (config.learning_rate, config.rating_dropout) == (2e-3, 0.2)


def test_an_architecture_without_steps_counts_as_fast(workplace, monkeypatch):
    spec = load_study(workplace.write_study())
    split = split_ratings(load_ratings(spec.dataset), spec.split)
    monkeypatch.setattr(threads, "_train", lambda config, split, should_pause: None)
    assert threads._step_s(spec, split, 1) == 1e-3
