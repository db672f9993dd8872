"""What torch reports about this machine."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

import torch

from .device import resolve_device


@dataclass(frozen=True, kw_only=True)
class Cuda:
    """CUDA as torch sees it.

    Attributes:
        build: the CUDA version that torch is built for; None for a CPU build.
        warning: why torch finds no GPU, in its own words; empty if it gives no reason.
    """

    build: str | None
    n_gpus: int
    warning: str


@dataclass(frozen=True, kw_only=True)
class Gpu:
    name: str
    capability: tuple[int, int]
    total_bytes: int
    free_bytes: int


def inspect_cuda() -> Cuda:
    # torch warns here if the driver does not fit.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    warning = str(caught[0].message).splitlines()[0] if caught else ""
    return Cuda(build=torch.version.cuda, n_gpus=n_gpus, warning=warning)


def inspect_gpu(device: torch.device) -> Gpu:
    free_bytes, total_bytes = torch.cuda.mem_get_info(device)
    return Gpu(
        name=torch.cuda.get_device_name(device),
        capability=torch.cuda.get_device_capability(device),
        total_bytes=total_bytes,
        free_bytes=free_bytes,
    )


def gpu_uuid(device: torch.device) -> str:
    """The same for all processes, whichever GPUs CUDA_VISIBLE_DEVICES shows them."""
    return str(torch.cuda.get_device_properties(device).uuid)


def peak_reserved_bytes(device: torch.device) -> int:
    """What torch's allocator has held of the GPU at most since training started, gaps included."""
    return int(torch.cuda.max_memory_reserved(device))


def free_cached_memory() -> None:
    """Give back what torch's allocator holds of GPUs and no tensor uses."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def n_threads() -> int:
    """Number of threads that torch uses on the CPU."""
    return torch.get_num_threads()


def torch_version() -> str:
    """torch's version with its build, such as 2.13.0+cpu."""
    return str(torch.__version__)


def use_threads(n: int) -> None:
    """Let torch use this many threads on the CPU."""
    torch.set_num_threads(n)


def limit_gpu_memory(share: float, device: str = "auto") -> None:
    """Let this process use at most this share of a GPU's memory; on a CPU there is no limit.

    Raises:
        OptionError: this machine has no such device.
    """
    resolved = resolve_device(device)
    if resolved.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(float(share), resolved)


def threads_are_chosen() -> bool:
    """Whether the environment sets the number of threads."""
    return any(name in os.environ for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"))
