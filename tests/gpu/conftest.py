"""Tests of what runs on a GPU. One command runs all of them, on a machine that has one:

    python -m pytest tests/gpu -m gpu

Those of studies are skipped without Optuna.
On a machine without a GPU all are skipped, unless a device is named:

    RECSYS_SEARCH_GPU_TESTS_DEVICE=cpu python -m pytest tests/gpu -m gpu

runs those that do not need CUDA itself, to see that they are right. `cuda:1` is another GPU.
"""

from __future__ import annotations

import os

import pytest
import torch
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.architectures.table import find_architecture
from recsys_search.model.store.train_store import TrainStore
from recsys_search.model.training.device import resolve_device
from recsys_search.model.training.training import Training

VARIABLE = "RECSYS_SEARCH_GPU_TESTS_DEVICE"
CPU = torch.device("cpu")

SMALL = {
    "two_tower": {"latent_dim": 8, "batch_size": 200, "neighbours": "both"},
    "hybrid": {
        "n_factors": 8,
        "hidden_dims": (32, 16),
        "latent_dim": 8,
        "batch_size": 200,
        "learning_rate": 0.01,
        "lr_warmup_epochs": 0.0,
        "neighbours": "past",
    },
    "mf": {"n_factors": 8, "batch_size": 200},
    "biases": {},
}


def device_name():
    return os.environ.get(VARIABLE, "cuda:0")


def pytest_report_header():
    name = device_name()
    if not name.startswith("cuda"):
        return f"device: {name}, named by {VARIABLE}; torch {torch.__version__}"
    if not torch.cuda.is_available():
        return f"device: none; torch {torch.__version__} finds no GPU"
    capability = ".".join(map(str, torch.cuda.get_device_capability(name)))
    gpu = f"{torch.cuda.get_device_name(name)}, compute capability {capability}"
    return f"device: {name}, {gpu}; torch {torch.__version__}"


@pytest.fixture(scope="session")
def device():
    """The name of the device under test."""
    name = device_name()
    if name.startswith("cuda") and not torch.cuda.is_available():
        pytest.skip(f"torch {torch.__version__} finds no GPU; {VARIABLE}=cpu takes the CPU")
    return str(resolve_device(name))


@pytest.fixture
def cuda(device):
    """The GPU under test; skips what would mean nothing on a CPU."""
    if not device.startswith("cuda"):
        pytest.skip("needs CUDA itself")
    return torch.device(device)


@pytest.fixture(scope="session")
def demo():
    """4000 ratings, with times, genres and years."""
    return demo_ratings(4000, n_users=80, n_films=100)


@pytest.fixture(scope="session")
def split(demo):
    return split_ratings(demo, SplitSpec())


@pytest.fixture
def config():
    """Builds the config of a model that trains in seconds, in float32 unless another is named."""

    def build(architecture, **values):
        precision = {} if architecture == "biases" else {"amp": "off"}
        return build_config(architecture, **{**SMALL[architecture], **precision, **values})

    return build


@pytest.fixture(scope="session")
def stores(device, split):
    """The train store on the CPU, and on the device under test."""
    return TrainStore.build(split.train, CPU), TrainStore.build(split.train, torch.device(device))


@pytest.fixture
def twins(stores):
    """Builds one model twice, with the same weights far from zero: on the CPU and on the device."""

    def build(config):
        config = config.for_split(is_random=True)
        with torch.random.fork_rng([]), torch.no_grad():
            torch.manual_seed(1)
            ours, other = (find_architecture(config.architecture).model(config, s) for s in stores)
            for parameter in ours.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
            other.load_state_dict(ours.state_dict())
        ours.refresh()
        other.to(stores[1].device).refresh()
        return ours.eval(), other.eval()

    return build


@pytest.fixture
def train(split):
    """Trains a config to its end."""

    def to_the_end(config, device, **options):
        with Training(config, split, device, **options) as run:
            for _ in run:
                pass
        return run

    return to_the_end


@pytest.fixture
def close():
    """Compares tensors of two devices, at float32 precision unless another is named."""

    def compare(actual, expected, rtol=1e-4, atol=1e-4):
        actual, expected = actual.detach().cpu(), expected.detach().cpu()
        torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol, check_dtype=False)

    return compare


@pytest.fixture
def ratings_folder(tmp_path, demo, write_ratings):
    """The ratings as a file, for commands and runs."""
    folder = tmp_path / "ratings"
    write_ratings(folder, demo)
    return folder
