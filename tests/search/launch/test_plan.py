"""How many workers and threads: GPUs, the environment, and what is measured."""

from __future__ import annotations

import psutil
import pytest
import torch
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.training.machine import Cuda, n_threads
from recsys_search.search.definition.study_file import load_study
from recsys_search.search.launch import plan as planning
from recsys_search.search.launch.plan import (
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
        monkeypatch.setattr(planning, "inspect_cuda", lambda: cuda)
        monkeypatch.setattr(planning, "resolve_device", lambda device: torch.device("cuda"))
        monkeypatch.setattr(planning, "_n_cores", lambda: 8)

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
    monkeypatch.setattr(planning, "_n_cores", lambda: 4)
    monkeypatch.setattr(planning, "_used_cores", lambda: 4.0)  # which would be a reason to measure
    monkeypatch.setenv(name, "3")
    assert plan_workers(None, None, "cpu", 1) == Plan(1, None, None)


def test_one_core_has_one_worker_and_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(planning, "_n_cores", lambda: 1)
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
    config = planning._first_config(spec)
    assert (config.learning_rate, config.rating_dropout) == (2e-3, 0.2)


def test_an_architecture_without_steps_counts_as_fast(workplace, monkeypatch):
    spec = load_study(workplace.write_study())
    split = split_ratings(load_ratings(spec.dataset), spec.split)
    monkeypatch.setattr(planning, "_train", lambda config, split, should_pause: None)
    assert planning._step_s(spec, split, 1) == 1e-3


@pytest.fixture
def cores(monkeypatch):
    """`cores(n, {threads: seconds of a step}, free_workers, used)`: a machine like that."""

    def cores(n, step_s, memory_for=99, used=0.0):
        monkeypatch.setattr(planning, "_n_cores", lambda: n)
        monkeypatch.setattr(planning, "_used_cores", lambda: used)
        monkeypatch.setattr(planning, "_step_s", lambda spec, split, k: step_s[k])
        monkeypatch.setattr(planning, "threads_are_chosen", lambda: False)
        rss = psutil.Process().memory_info().rss
        memory = psutil.virtual_memory()._replace(available=(memory_for + 0.5) * rss)
        monkeypatch.setattr(planning.psutil, "virtual_memory", lambda: memory)

    return cores


@pytest.mark.parametrize(
    ("step_s", "memory_for", "workers", "n_threads"),
    [
        ({1: 0.040, 4: 0.030}, 99, 4, 1),
        ({1: 0.040, 4: 0.009}, 99, 1, 4),
        ({1: 0.040, 4: 0.030}, 2, 2, 2),
        ({1: 0.040, 4: 0.030}, 0, 1, 4),
    ],
)
def test_auto_takes_what_gives_the_most_trials(cores, step_s, memory_for, workers, n_threads):
    cores(4, step_s, memory_for)
    plan = plan_workers(None, None, "cpu", None)
    assert (plan.workers, plan.threads) == (workers, n_threads)
    assert "40 ms with 1 thread" in plan.why


def test_a_single_worker_measures_on_busy_cores_alone(cores):
    cores(4, {1: 0.01, 4: 0.09}, used=0.1)
    assert plan_workers(None, None, "cpu", 1) == Plan(1, None, None)
    cores(4, {1: 0.01, 4: 0.09}, used=2.0)
    plan = plan_workers(None, None, "cpu", 1)
    assert (plan.workers, plan.threads) == (1, 1)
    assert plan.why.startswith("1 thread, as other processes are busy: a step takes 10 ms")


def test_a_number_of_workers_shares_the_cores(cores):
    cores(4, {})
    assert plan_workers(None, None, "cpu", 2) == Plan(2, 2, None)
    assert plan_workers(None, None, "cpu", 8) == Plan(8, 1, None)


def test_a_step_is_measured_and_the_threads_stay_as_they_were(workplace):
    spec, before = load_study(workplace.write_study()), n_threads()
    split = split_ratings(load_ratings(spec.dataset), spec.split)
    assert 0 < planning._step_s(spec, split, 1) < 5
    assert n_threads() == before
