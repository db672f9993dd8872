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
    gpu_utilisation,
    peak_memory_mib,
    resolve_device,
)

CPU = torch.device("cpu")


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


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
