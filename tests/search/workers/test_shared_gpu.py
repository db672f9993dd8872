"""A study whose trials share a GPU, which here is stood in for."""

from __future__ import annotations

import optuna
import pytest
import torch
from recsys_search.model.training.machine import Gpu
from recsys_search.model.training.training import Training
from recsys_search.search.launch import plan as planning
from recsys_search.search.launch import run_locally
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.pruners.resources import GpuMemory
from recsys_search.search.sharing import gpu as sharing
from recsys_search.search.sharing.ledger import Entry, Ledger
from recsys_search.search.storage.worker import worker_identity

GPU = "GPU-0000"


@pytest.fixture
def shared(workplace, monkeypatch, tmp_path):
    """`shared(study)` runs it on a GPU of 16 GB, one trial at a time; returns a reader of it."""
    inspected = Gpu(name="g", capability=(8, 0), total_bytes=16 * 2**30, free_bytes=16 * 2**30)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)  # read it again
    monkeypatch.setattr(sharing, "inspect_gpu", lambda device: inspected)
    monkeypatch.setattr(sharing, "gpu_uuid", lambda device: GPU)
    monkeypatch.setattr(sharing, "peak_reserved_bytes", lambda device: 5 * 2**20)
    monkeypatch.setattr(
        "recsys_search.search.sharing.options.resolve_device", lambda name: torch.device("cuda")
    )
    monkeypatch.setattr(run_locally, "workers_on_gpus", lambda trials_per_gpu, device: 1)

    def start(study, trials_per_gpu="auto"):
        run_study(study, workplace.storage, device="cpu", trials_per_gpu=trials_per_gpu)
        return workplace.read()

    return start


@pytest.fixture
def neighbour(shared):
    """Another process's trial on the GPU, in a block that it ends with."""
    with worker_identity() as worker:
        with Ledger(GPU).open() as page:
            page.entries.append(Entry(worker=worker, state="training", bytes=1e9))

        def leave():
            with Ledger(GPU).open() as page:
                page.entries = page.without(worker["run"])

        yield leave


def starve(monkeypatch, happens):
    """Let the first training step of a trial run out of memory if `happens(training)`."""
    train_epoch = Training._train_epoch

    def starved(training):
        if happens(training):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return train_epoch(training)

    monkeypatch.setattr(Training, "_train_epoch", starved)


def test_out_of_memory_in_company_is_tried_again_alone(workplace, shared, neighbour, monkeypatch):
    attempts = []

    def happens(training):
        attempts.append(training.config.batch_size)
        if len(attempts) == 1:
            return True
        with Ledger(GPU).open() as page:
            assert [each.alone for each in page.entries if each.state == "training"] == [True]
        return False

    starve(monkeypatch, happens)
    # The neighbour ends when the trial that must be alone begins to wait for it.
    monkeypatch.setattr(sharing, "pause", lambda seconds, should_stop: neighbour())
    first, second = shared(workplace.write_study(trials=1)).trials()
    assert (first["state"], first["stop_reason"]) == ("failed", "out-of-memory")
    assert first["reason"] == (
        "out of memory in epoch 1 with batch size 1000 next to another trial; it is tried again "
        "alone on its GPU"
    )
    assert (second["state"], second["retry_of"]) == ("complete", 0)
    assert second["second_chance"] == (
        "alone on its GPU, because trial 0 ran out of memory next to another trial"
    )
    assert attempts[:2] == [1000, 1000]
    assert workplace.read().status()["done"] == 1


def test_out_of_memory_alone_then_gets_a_smaller_batch(workplace, shared, neighbour, monkeypatch):
    starve(monkeypatch, lambda training: training.config.batch_size > 750)
    monkeypatch.setattr(sharing, "pause", lambda seconds, should_stop: neighbour())
    trials = shared(workplace.write_study(trials=1)).trials()
    assert [trial["state"] for trial in trials] == ["failed", "failed", "complete"]
    assert [trial["retry_of"] for trial in trials] == [None, 0, 1]
    assert [trial["config"]["batch_size"] for trial in trials] == [1000, 1000, 750]


def test_out_of_memory_without_company_gets_a_smaller_batch_at_once(workplace, shared, monkeypatch):
    starve(monkeypatch, lambda training: training.config.batch_size > 750)
    trials = shared(workplace.write_study(trials=1)).trials()
    assert [trial["config"]["batch_size"] for trial in trials] == [1000, 750]


def test_what_a_trial_took_is_stored_with_it(workplace, shared):
    shared(workplace.write_study(trials=2), 1)
    study = optuna.load_study(study_name="small", storage=workplace.storage)
    assert [trial.user_attrs["gpu_memory_mib"] for trial in study.trials] == [5.0, 5.0]


def test_the_memory_pruner_does_not_stop_trials_that_share_a_gpu(workplace, shared, monkeypatch):
    monkeypatch.setattr("recsys_search.model.training.device.gpu_memory_share", lambda device: 0.95)
    (trial,) = shared(workplace.write_study(trials=1, pruners=[{"gpu_memory": {}}])).trials()
    assert (trial["state"], trial["stop_reason"]) == ("complete", None)
    alone = workplace.write_study("alone", trials=1, pruners=[{"gpu_memory": {}}])
    (trial,) = workplace.start(alone).trials()
    assert trial["stop_reason"] == GpuMemory.stop_reason


@pytest.mark.parametrize(
    ("trials_per_gpu", "gpus", "cores", "workers"),
    [("auto", 1, 32, 8), ("auto", 1, 4, 4), ("auto", 4, 16, 16), ("auto", 8, 4, 8), (3, 2, 4, 6)],
)
def test_workers_on_the_gpus(monkeypatch, trials_per_gpu, gpus, cores, workers):
    monkeypatch.setattr(planning, "_n_gpus", lambda device: gpus)
    monkeypatch.setattr(planning, "_n_cores", lambda: cores)
    assert planning.workers_on_gpus(trials_per_gpu, "auto") == workers


def test_trials_have_the_values_to_the_bit_that_they_have_one_after_another(workplace):
    space = {
        "learning_rate": {"float": [1e-3, 1e-2], "log": True},
        "rating_dropout": {"float": [0.1, 0.5]},
    }
    known = [
        {"name": f"config_{i}", "learning_rate": 1e-3 * (i + 1), "rating_dropout": 0.1 + 0.05 * i}
        for i in range(6)
    ]
    values = []
    for name, workers in (("one", 1), ("two", 2)):
        study = workplace.write_study(name, space=space, known=known, trials=6)
        run_study(study, workplace.storage, device="cpu", workers=workers)
        trials = workplace.read(name).trials()
        values.append({trial["known_config"]: trial["val_rmse"] for trial in trials})
    assert len(values[0]) == 6
    assert values[0] == values[1]
