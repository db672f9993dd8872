"""The table of presets, and which of them a GPU has."""

from __future__ import annotations

import pytest
from recsys_search.errors import OptionError
from recsys_search.model.training.machine import Gpu
from recsys_search.search.presets import machine
from recsys_search.search.presets.table import find_preset, read_presets

GIB = 2**30


@pytest.mark.parametrize(
    ("name", "batch_size"), [("a6000", 2048), ("rtx4090", 1536), ("rtx3090", 1024), ("a100", 1536)]
)
def test_the_batch_sizes_are_those_of_the_plan(name, batch_size):
    assert find_preset(name).batch_sizes == {"hybrid": batch_size}


def test_an_unknown_preset_is_refused_with_the_closest_name():
    with pytest.raises(OptionError, match=r"no preset named 'rtx3080'; did you mean rtx3090\?"):
        find_preset("rtx3080")


@pytest.mark.parametrize(
    ("gpu", "gib", "name"),
    [
        ("NVIDIA RTX A6000", 47.4, "a6000"),
        ("NVIDIA RTX A6000", 45.0, "a6000"),  # with error correction
        ("NVIDIA GeForce RTX 4090", 23.6, "rtx4090"),
        ("NVIDIA GeForce RTX 3090 Ti", 23.7, "rtx3090"),
        ("NVIDIA A100-SXM4-40GB", 39.4, "a100"),
        ("NVIDIA A100 80GB PCIe", 79.2, "a100-80gb"),
        ("NVIDIA H100 80GB HBM3", 79.1, "h100"),
        ("NVIDIA H200", 139.8, "h200"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 15.7, None),
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", 19.6, None),
        ("NVIDIA GH200 480GB", 94.5, None),
        ("Tesla T4", 14.6, None),
    ],
)
def test_a_gpu_has_the_preset_of_its_name_and_memory(gpu, gib, name):
    matching = [p.name for p in read_presets().values() if p.matches(gpu, int(gib * GIB))]
    assert matching == ([name] if name else [])


@pytest.fixture
def gpu_of(monkeypatch):
    """Lets this machine have a GPU of a name and size, or none."""

    def have(name, gib=0.0):
        total = int(gib * GIB)
        gpu = Gpu(name=name, capability=(8, 6), total_bytes=total, free_bytes=total)
        monkeypatch.setattr(machine, "_gpu", lambda device: gpu if name else None)

    machine.choose_preset.cache_clear()
    yield have
    machine.choose_preset.cache_clear()


def test_auto_is_the_preset_of_the_gpu(gpu_of):
    gpu_of("NVIDIA RTX A6000", 47.4)
    assert machine.choose_preset("auto") is find_preset("a6000")


def test_auto_is_cpu_without_a_gpu(gpu_of):
    gpu_of(None)
    assert machine.choose_preset("auto").name == "cpu"


def test_a_gpu_without_a_preset_has_one_of_its_memory_without_a_price(gpu_of):
    gpu_of("Tesla T4", 14.6)
    preset = machine.choose_preset("auto")
    assert (preset.label, preset.amp, preset.usd_per_hour) == ("Tesla T4 (14.6 GB)", "auto", None)


def test_a_preset_for_a_larger_gpu_than_the_machine_has_is_noted(gpu_of):
    gpu_of("Tesla T4", 14.6)
    note = machine.describe_mismatch(find_preset("a100"), "auto")
    assert note.startswith("preset a100 (40 GB) is for a larger GPU than this machine's Tesla T4")
    assert machine.describe_mismatch(find_preset("cpu"), "auto") is None
    gpu_of("NVIDIA A100 80GB PCIe", 79.2)
    assert machine.describe_mismatch(find_preset("a100"), "auto") is None


@pytest.mark.parametrize(("workers", "share"), [(1, 1), (2, 0.5), (3, 1 / 3), (None, 1)])
def test_workers_on_one_gpu_share_its_memory(workers, share):
    assert machine.memory_share(find_preset("a100"), "cuda:0", workers) == share
