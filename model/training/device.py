"""The device that a model trains on, and its precision."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import psutil
import torch

from ...errors import ConfigError, OptionError
from ..config import Amp

# What torch raises when a CUDA library or the driver gets no memory, instead of OutOfMemoryError:
# only torch's own allocator raises that.
_OUT_OF_MEMORY = (
    "can't allocate memory",  # on a CPU
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "ALLOCATION_FAILED",  # cuDNN 9, for host or device memory
    "CUSOLVER_STATUS_ALLOC_FAILED",
)


def resolve_device(name: str) -> torch.device:
    """The device of this name; `auto` is the first GPU, or the CPU without one.

    A GPU has its number, also for `cuda`, which is the current one.

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
    if device.type == "cuda" and device.index is None:
        current = torch.cuda.current_device() if torch.cuda.is_initialized() else 0
        return torch.device("cuda", current)
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

    def autocast(self) -> AbstractContextManager[object]:
        dtype = torch.float16 if self.amp == "fp16" else torch.bfloat16
        return torch.autocast(self._device.type, dtype, enabled=self.amp != "off")

    @contextmanager
    def fast_products(self) -> Iterator[None]:
        """Let a GPU multiply float32 matrices as TF32 within the block, and not after it."""
        if self._device.type != "cuda":
            yield
            return
        settings = torch.backends.cuda.matmul
        # torch 2.9 has a new setting, and an error for code that reads the old one after it is set.
        name: str = "fp32_precision"
        fast: str | bool = "tf32"
        if not hasattr(settings, name):
            name, fast = "allow_tf32", True
        before = getattr(settings, name)
        setattr(settings, name, fast)
        try:
            yield
        finally:
            setattr(settings, name, before)


def begin_memory_statistics(device: torch.device) -> None:
    """Measure the peak memory of a GPU from now on."""
    if device.type == "cuda":
        torch.cuda.init()  # before that, there are no statistics, and an error
        torch.cuda.reset_peak_memory_stats(device)


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
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _OUT_OF_MEMORY)


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
