"""Devices and precisions."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import psutil
import pytest
import torch
from recsys_search.errors import ConfigError
from recsys_search.model.training import device as device_module
from recsys_search.model.training.device import (
    Precision,
    begin_memory_statistics,
    gpu_utilisation,
    is_out_of_memory,
    peak_memory_mib,
    resolve_device,
)
from recsys_search.model.training.machine import limit_gpu_memory

CPU = torch.device("cpu")


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


@pytest.fixture
def two_gpus(monkeypatch):
    """What torch answers on a machine with two GPUs, before CUDA has started."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_auto_is_the_cpu_without_a_gpu():
    assert resolve_device("auto") == CPU


@pytest.mark.parametrize("name", ["gpu", "mps", "", "cpu0"])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(ConfigError) as caught:
        resolve_device(name)
    assert str(caught.value) == f"no device named {name!r}; choose auto, cpu, cuda or cuda:0"


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:3"])
def test_a_missing_gpu_is_refused(name):
    with pytest.raises(ConfigError) as caught:
        resolve_device(name)
    assert str(caught.value) == f"no device {name}: torch sees 0 GPUs; use cpu"


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_has_its_number():
    numbers = {name: resolve_device(name).index for name in ("auto", "cuda", "cuda:1")}
    assert numbers == {"auto": 0, "cuda": 0, "cuda:1": 1}


@pytest.mark.usefixtures("two_gpus")
def test_cuda_is_the_current_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert resolve_device("cuda") == torch.device("cuda:1")
    assert resolve_device("auto") == torch.device("cuda:0")


def test_fp16_is_refused_on_a_cpu():
    with pytest.raises(ConfigError) as caught:
        Precision("fp16", CPU)
    assert str(caught.value) == "amp fp16 needs a GPU; on a CPU use auto, bf16 or off"


@pytest.mark.parametrize(("native", "amp"), [(True, "bf16"), (False, "off")])
def test_auto_on_a_cpu_is_bf16_only_where_it_is_native(monkeypatch, native, amp):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert Precision("auto", CPU).amp == amp


@pytest.mark.parametrize(
    ("capability", "amp"), [((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16")]
)
def test_auto_on_a_gpu_is_bf16_from_ampere_on(monkeypatch, capability, amp):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert device_module._best_amp(torch.device("cuda:0")) == amp


def test_amp_decides_the_dtype_of_matrix_products():
    for amp, dtype in {"off": torch.float32, "bf16": torch.bfloat16}.items():
        with Precision(amp, CPU).autocast():
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_peak_memory_on_a_cpu_is_that_of_the_process():
    assert 50 < peak_memory_mib(CPU) < 100_000
    assert gpu_utilisation(CPU) is None


def test_peak_memory_on_windows_comes_from_psutil(monkeypatch):
    memory = SimpleNamespace(peak_wset=3 * 2**20)
    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(memory_info=lambda: memory))
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "resource", None)  # Windows has no such module
    assert peak_memory_mib(CPU) == 3


def test_cuda_starts_before_its_memory_statistics(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "init", lambda: calls.append("init"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", calls.append)
    begin_memory_statistics(CPU)
    assert not calls
    begin_memory_statistics(torch.device("cuda:1"))
    assert calls == ["init", torch.device("cuda:1")]


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(("device", "limits"), [("cuda:1", [(0.25, 1)]), ("cpu", [])])
def test_memory_is_limited_on_the_device_that_trains(monkeypatch, device, limits):
    seen = []
    monkeypatch.setattr(
        torch.cuda,
        "set_per_process_memory_fraction",
        lambda share, device: seen.append((share, device.index)),
    )
    limit_gpu_memory(0.25, device)
    assert seen == limits


def test_tf32_is_only_for_the_block_and_only_on_a_gpu(monkeypatch):
    settings = torch.backends.cuda.matmul
    name = "fp32_precision" if hasattr(settings, "fp32_precision") else "allow_tf32"
    before = getattr(settings, name)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    with Precision("off", CPU).fast_products():
        assert getattr(settings, name) == before
    with Precision("off", torch.device("cuda:0")).fast_products():
        assert getattr(settings, name) in ("tf32", True)
    assert getattr(settings, name) == before
    assert torch.get_float32_matmul_precision() == "highest"  # the old setting agrees with the new


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (
            RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
            True,
        ),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("CUDA error: out of memory"), False),
    ],
)
def test_errors_that_mean_that_memory_ran_out(error, is_one):
    assert is_out_of_memory(error) == is_one


@pytest.mark.skipif(not hasattr(torch, "AcceleratorError"), reason="torch before 2.8")
def test_an_error_of_the_driver_may_mean_that_memory_ran_out():
    assert is_out_of_memory(torch.AcceleratorError("CUDA error: out of memory"))
