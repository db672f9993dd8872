"""The device itself: its name, memory, gauges, precisions and random generators."""

from __future__ import annotations

import gc
import importlib.util

import pytest
import torch
from recsys_search.model.training.device import (
    Precision,
    begin_memory_statistics,
    gpu_memory_share,
    gpu_utilisation,
    is_out_of_memory,
    peak_memory_mib,
    resolve_device,
)
from recsys_search.model.training.machine import inspect_cuda, inspect_gpu, limit_gpu_memory
from recsys_search.model.training.randomness import (
    random_states,
    seed_generators,
    set_random_states,
)
from recsys_search.model.training.self_test import self_test
from recsys_search.model.training.training import Training

pytestmark = pytest.mark.gpu

MIB = 2**20

FIRST_USE = """
import sys
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.training.training import Training

split = split_ratings(demo_ratings(600, n_users=40, n_films=50), SplitSpec())
config = build_config("mf", amp=sys.argv[2], n_factors=4, batch_size=200, max_epochs=1)
with Training(config, split, sys.argv[1]) as run:
    (report,) = run
print(run.device, run.amp, report.val_rmse)
"""


def test_every_name_of_a_gpu_has_a_number(cuda):
    assert resolve_device("auto") == torch.device("cuda:0")
    assert resolve_device("cuda") == torch.device("cuda", torch.cuda.current_device())
    assert resolve_device(str(cuda)) == cuda
    with pytest.raises(Exception, match=r"^no device cuda:99: torch sees"):
        resolve_device("cuda:99")


@pytest.mark.parametrize("amp", ["auto", "off"])
def test_a_training_may_be_the_first_to_use_the_device(device, start_python, amp):
    """`off` asks the GPU for nothing before the memory statistics begin."""
    process = start_python(FIRST_USE, device, amp)
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    used, precision, rmse = out.split()
    assert used == device
    assert precision == "off" or amp == "auto"
    assert 0.2 < float(rmse) < 3


def test_auto_is_half_precision(cuda):
    amp = Precision("auto", cuda).amp
    native = torch.cuda.get_device_capability(cuda) >= (8, 0)
    assert amp == ("bf16" if native else "fp16")


@pytest.mark.parametrize(
    ("amp", "dtype"),
    [("off", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_amp_decides_the_type_of_products(cuda, amp, dtype):
    precision = Precision(amp, cuda)
    with precision.autocast():
        assert (torch.ones(8, 8, device=cuda) @ torch.ones(8, 8, device=cuda)).dtype == dtype
    assert precision.scaler.is_enabled() == (amp == "fp16")


def test_products_are_exact_outside_of_training_steps(cuda):
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.rand(256, 256, generator=generator) for _ in range(2))
    exact = one.double() @ other.double()

    def error():
        product = one.to(cuda) @ other.to(cuda)
        return float((product.cpu() - exact).abs().max() / exact.abs().max())

    assert error() < 1e-5
    with Precision("off", cuda).fast_products():
        assert error() < 1e-2  # TF32 has 10 bits, where the GPU knows it
    assert error() < 1e-5


def test_random_states_continue_the_stream(device):
    place = torch.device(device)
    before = random_states(place)
    try:
        seed_generators(7, place)
        states = random_states(place)
        drawn = torch.rand(5, device=place), torch.rand(5)
        set_random_states(states, place)
        assert torch.equal(torch.rand(5, device=place), drawn[0])
        assert torch.equal(torch.rand(5), drawn[1])
        assert all(state.device.type == "cpu" for state in states)
    finally:
        set_random_states(before, place)


def test_what_a_training_draws_changes_nothing_outside(device, config, split, train):
    place = torch.device(device)
    before = [state.clone() for state in random_states(place)]
    train(config("two_tower", max_epochs=1), device)
    assert all(map(torch.equal, random_states(place), before))


def test_another_gpu_keeps_its_stream(cuda):
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two GPUs")
    other = torch.device("cuda", 1 - cuda.index if cuda.index < 2 else 0)
    before = torch.cuda.get_rng_state(other).clone()
    seed_generators(7, cuda)
    assert torch.equal(torch.cuda.get_rng_state(other), before)


def test_peak_memory_is_that_since_the_statistics_began(cuda):
    del_me = torch.empty(64 * MIB, dtype=torch.uint8, device=cuda)
    del del_me
    begin_memory_statistics(cuda)
    in_use = torch.cuda.memory_allocated(cuda) / MIB
    assert peak_memory_mib(cuda) == pytest.approx(in_use)
    held = torch.empty(16 * MIB, dtype=torch.uint8, device=cuda)
    assert peak_memory_mib(cuda) == pytest.approx(in_use + 16, abs=2)
    del held


def test_gauges_are_in_their_range(cuda):
    share = gpu_memory_share(cuda)
    assert 0 < share < 1
    utilisation = gpu_utilisation(cuda)
    assert utilisation is None or 0 <= utilisation <= 100
    is_slice = "MIG" in torch.cuda.get_device_name(cuda)
    if importlib.util.find_spec("pynvml") and not is_slice:
        assert utilisation is not None


def test_the_machine_is_described(cuda):
    found, gpu = inspect_cuda(), inspect_gpu(cuda)
    assert found.n_gpus == torch.cuda.device_count()
    assert found.build == torch.version.cuda
    assert gpu.name
    assert 0 < gpu.free_bytes <= gpu.total_bytes


@pytest.fixture
def little_memory(cuda):
    """This process may use 64 MiB more than it does."""
    gc.collect()
    torch.cuda.empty_cache()
    total = inspect_gpu(cuda).total_bytes
    limit_gpu_memory((torch.cuda.memory_reserved(cuda) + 64 * MIB) / total, str(cuda))
    yield
    limit_gpu_memory(1.0, str(cuda))


@pytest.mark.usefixtures("little_memory")
def test_running_out_of_memory_is_recognised(cuda):
    with pytest.raises(RuntimeError) as caught:
        torch.empty(256 * MIB, dtype=torch.uint8, device=cuda)
    assert is_out_of_memory(caught.value)


@pytest.mark.usefixtures("little_memory")
def test_a_training_that_runs_out_of_memory_leaves_none_behind(cuda, config, split):
    before = torch.cuda.memory_allocated(cuda)
    error = None
    try:
        with Training(config("mf", n_factors=500_000), split, str(cuda)):  # 360 MB of weights
            pass
    except RuntimeError as raised:
        error = raised.with_traceback(None)  # which refers to the tensors
    assert error is not None
    assert is_out_of_memory(error)
    gc.collect()
    assert torch.cuda.memory_allocated(cuda) == before


@pytest.mark.parametrize("architecture", ["two_tower", "hybrid", "mf", "biases"])
def test_memory_is_free_again_after_the_block(cuda, config, train, architecture):
    small = config(architecture, max_epochs=1)
    train(small, str(cuda))  # cuBLAS keeps its workspace
    gc.collect()
    before = torch.cuda.memory_allocated(cuda)
    run = train(small, str(cuda))
    gc.collect()
    assert torch.cuda.memory_allocated(cuda) == before
    assert all(weight.device.type == "cpu" for weight in run.best.weights.values())


def test_the_self_test_passes(device):
    result = self_test(device)
    assert result.passed, result
    assert result.amp != "off" or device == "cpu"
