"""The preset of this machine, and whether it is the one that was chosen."""

from __future__ import annotations

from functools import cache
from typing import Literal

from ...model.training.device import resolve_device
from ...model.training.machine import Gpu, inspect_cuda, inspect_gpu
from .table import AUTO, GIB, SEEN_SHARE, Preset, find_preset, read_presets


@cache
def choose_preset(name: str, device: str = "auto") -> Preset:
    """The preset of this name, or that of this machine for `auto`.

    A GPU without a preset gets one with its memory, and without a price.

    Args:
        device: of the trials, as in `--device`.

    Raises:
        OptionError: no such preset, or no such device.
    """
    if name != AUTO:
        return find_preset(name)
    gpu = _gpu(device)
    if gpu is None:
        return find_preset("cpu")
    for preset in read_presets().values():
        if preset.matches(gpu.name, gpu.total_bytes):
            return preset
    return Preset(name=gpu.name, gpu=gpu.name, memory_gb=round(gpu.total_bytes / GIB, 1))


def describe_mismatch(preset: Preset, device: str) -> str | None:
    """A sentence if this machine lacks what the preset assumes; None if it does not."""
    if preset.memory_gb is None:
        return None
    gpu = _gpu(device)
    if gpu is None:
        return f"preset {preset.label} is for a GPU, but this machine's trials run on the CPU"
    if gpu.total_bytes >= SEEN_SHARE * preset.memory_gb * GIB:
        return None
    return (
        f"preset {preset.label} is for a larger GPU than this machine's {gpu.name} with "
        f"{gpu.total_bytes / GIB:.3g} GB: trials may run out of memory; --preset auto fits it"
    )


def memory_share(
    preset: Preset,
    device: str,
    workers: int | None,
    trials_per_gpu: int | Literal["auto"] | None = None,
) -> float:
    """Share of a GPU's memory for each of several workers on this machine.

    Args:
        workers: None is one for each GPU.
        trials_per_gpu: replaces `workers`; with `auto` a trial may have a GPU to itself.
    """
    if trials_per_gpu is not None:
        return 1.0 if trials_per_gpu == "auto" else 1 / trials_per_gpu
    n_gpus = max(1, inspect_cuda().n_gpus) if device == AUTO else 1
    per_gpu = -(-(workers or n_gpus) // n_gpus)
    return 1 / max(per_gpu, preset.trials_per_gpu)


def _gpu(device: str) -> Gpu | None:
    resolved = resolve_device(device)
    return inspect_gpu(resolved) if resolved.type == "cuda" else None
