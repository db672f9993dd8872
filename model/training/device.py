"""The device that a model trains on, and its precision."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager

import psutil
import torch

from ...errors import ConfigError, OptionError
from ..config import Amp


def resolve_device(name: str) -> torch.device:
    """The device of this name; `auto` is the first GPU, or the CPU without one.

    Raises:
        OptionError: this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise OptionError(f"no device named {name!r}; choose auto, cpu, cuda or cuda:0")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise OptionError(f"no device {name}: torch sees {torch.cuda.device_count()} GPUs; use cpu")
    return device


class Precision:
    """Autocast and loss scaling of one training run."""

    def __init__(self, amp: Amp, device: torch.device) -> None:
        """`auto` is bf16 where the device supports it natively, fp16 on older GPUs, else off.

        Raises:
            ConfigError: fp16 on a CPU.
        """
        if amp == "auto":
            amp = _best_amp(device)
        if amp == "fp16" and device.type == "cpu":
            raise ConfigError("amp fp16 needs a GPU; on a CPU use auto, bf16 or off")
        self.amp = amp
        self._device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=amp == "fp16")
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high")  # TF32 for what stays in float32

    def autocast(self) -> AbstractContextManager[object]:
        dtype = torch.float16 if self.amp == "fp16" else torch.bfloat16
        return torch.autocast(self._device.type, dtype, enabled=self.amp != "off")


def peak_memory_mib(device: torch.device) -> float:
    """Peak memory of the GPU since training started, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    import resource  # not on Windows; psutil has no peak elsewhere

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error means that the device or the machine ran out of memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)  # on a CPU


def gpu_memory_share(device: torch.device) -> float | None:
    """Share of the GPU's memory that all processes use; None without a GPU."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return 1.0 - free / total


def gpu_utilisation(device: torch.device) -> int | None:
    """GPU utilisation in percent; None without a GPU, or without the extra `gpu` that reads it."""
    if device.type != "cuda":
        return None
    try:
        return int(torch.cuda.utilization(device))
    except Exception:  # the driver library's too: a gauge must never end a training
        return None


def _best_amp(device: torch.device) -> Amp:
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
    # Emulated bf16 is slower than float32, so only native support counts.
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if native else "off"
