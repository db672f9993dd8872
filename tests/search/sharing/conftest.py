"""Workers of a GPU that this machine need not have."""

from __future__ import annotations

from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import torch
from optuna.trial import TrialState, create_trial
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.architectures.memory import DataSizes
from recsys_search.model.config import config_to_mapping
from recsys_search.model.training.machine import Gpu
from recsys_search.search.sharing import gpu as sharing
from recsys_search.search.sharing.gpu import CONTEXT_BYTES, SharedGpu
from recsys_search.search.storage.trials import CONFIG, GPU_MEMORY
from recsys_search.search.storage.worker import worker_identity

SIZES = DataSizes(n_ratings=100_000, n_users=700, n_films=9000, has_times=True)


def config(**values):
    return build_config("two_tower", **{"neighbours": "off", **values})


def ended_trial(config, peak_mib, number=0):
    """A trial of the study that has trained on a GPU."""
    trial = create_trial(
        state=TrialState.PRUNED,
        user_attrs={GPU_MEMORY: peak_mib},
        system_attrs={CONFIG: config_to_mapping(config)},
    )
    trial.number = number
    return trial


class Machine:
    """A machine with one GPU, whose free memory and peak a test sets."""

    def __init__(self, folder):
        self.folder = folder
        self.total_bytes = self.free_bytes = 16 * 2**30
        self.peak_bytes = 0
        self.stack = ExitStack()
        self.trials = []  # of the study

    def worker(self, trials_per_gpu="auto", should_stop=lambda: "no time to wait"):
        """A worker with its own identity, which by default does not wait."""
        identity = self.stack.enter_context(worker_identity())
        notices = []
        shared = SharedGpu(
            "cpu",
            trials_per_gpu,
            SIZES,
            is_random_split=True,
            worker=lambda: identity,
            notify=notices.append,
            should_stop=should_stop,
            folder=self.folder,
        )
        shared.notices = notices
        return shared

    def trial(self, number=0, **user_attrs):
        study = SimpleNamespace(get_trials=lambda deepcopy: self.trials)
        return SimpleNamespace(number=number, user_attrs=user_attrs, study=study)

    def need(self, n_bytes):
        """Let the next trials be expected to take so much, with their context."""
        sharing.expected_bytes = lambda *args: n_bytes - CONTEXT_BYTES


@pytest.fixture
def machine(tmp_path, monkeypatch):
    machine = Machine(tmp_path / "ledgers")

    def inspect(device):
        return Gpu(
            name="a GPU",
            capability=(8, 0),
            total_bytes=machine.total_bytes,
            free_bytes=machine.free_bytes,
        )

    monkeypatch.setattr(sharing, "inspect_gpu", inspect)
    monkeypatch.setattr(sharing, "gpu_uuid", lambda device: "GPU-0000")
    monkeypatch.setattr(sharing, "peak_reserved_bytes", lambda device: machine.peak_bytes)
    monkeypatch.setattr(sharing, "resolve_device", torch.device)
    monkeypatch.setattr(sharing, "expected_bytes", sharing.expected_bytes)  # restored at the end
    monkeypatch.setattr(sharing, "LOOK_EVERY_S", 0.01)
    with machine.stack:
        yield machine
