"""Checks of the hardware: GPU, precision, threads."""

from __future__ import annotations

import os
import shutil
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from ...errors import RecsysSearchError
from ...model.training.device import resolve_device
from ...model.training.machine import Cuda, inspect_cuda, inspect_gpu, n_threads, torch_version
from ...model.training.self_test import TOLERANCE, self_test
from ..sharing.mps import describe_mps

if TYPE_CHECKING:
    from .examination import Plan

MIN_GPU_BYTES = 2 * 2**30  # with less, a training may start but run out later
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")

_WHY_AMP = {
    "bf16": "bf16, which this device supports",
    "fp16": "fp16 (bf16 needs a GPU of compute capability 8.0)",
    "off": "float32 (this processor would have to emulate bf16)",
}


def check_cuda(plan: Plan) -> str:
    """The GPUs that torch sees; having none is fine unless the machine has one."""
    cuda = inspect_cuda()
    if cuda.n_gpus:
        return f"{_count(cuda.n_gpus, 'GPU')}, torch for CUDA {cuda.build}"
    if not NVIDIA_DRIVER.exists() and not shutil.which("nvidia-smi"):
        return f"none: trains on the CPU with {_count(n_threads(), 'thread')}"
    raise RecsysSearchError(f"there is an NVIDIA driver, but {_why_no_gpu(cuda)}")


def _why_no_gpu(cuda: Cuda) -> str:
    """The reason, and the remedy after a semicolon."""
    if cuda.build is None:
        return (
            f"torch {torch_version()} is built for the CPU only; install a build with CUDA: "
            f"pip install --force-reinstall torch=={torch_version().partition('+')[0]}"
        )
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return f"CUDA_VISIBLE_DEVICES={visible!r} hides all GPUs; unset it"
    warning = f": {cuda.warning.replace(';', ',')}" if cuda.warning else ""
    return (
        f"torch for CUDA {cuda.build} finds no GPU{warning}; update the driver, or install a "
        "build of torch for it: https://pytorch.org/get-started"
    )


def check_device(plan: Plan) -> str:
    """The device that a study would train on."""
    device = resolve_device(plan.device)
    if device.type == "cpu":
        return f"cpu, {_count(n_threads(), 'thread')}"
    gpu = inspect_gpu(device)
    return f"{device}, {gpu.name}, compute capability {'.'.join(map(str, gpu.capability))}"


def check_gpu_memory(plan: Plan) -> str:
    device = resolve_device(plan.device)
    if device.type == "cpu":
        return "not needed: trains on the CPU"
    gpu = inspect_gpu(device)
    detail = f"{gpu.free_bytes / 2**30:.1f} of {gpu.total_bytes / 2**30:.1f} GiB are free"
    if gpu.free_bytes < MIN_GPU_BYTES:
        raise RecsysSearchError(
            f"{detail}; end other programs on the GPU (nvidia-smi lists them), or use another "
            "with --device cuda:N"
        )
    return detail


def check_gpu_sharing(plan: Plan) -> str:
    """Whether several trials on one GPU would run at the same time or take turns."""
    if resolve_device(plan.device).type == "cpu":
        return "not needed: trains on the CPU"
    return describe_mps()


def check_amp(plan: Plan) -> str:
    """A small training in the precision that a study would use, compared to float32."""
    result = self_test(plan.device)
    detail = f"{_WHY_AMP[result.amp]}: loss {result.loss:.4f} after {result.n_steps} training steps"
    if result.amp != "off":
        detail += f", {result.float32_loss:.4f} in float32"
    if not result.passed:
        raise RecsysSearchError(
            f"{detail}, more than {TOLERANCE:.0%} apart, or with gradients that are not finite "
            f"(norm {result.grad_norm:.4g}); write amp: off in the study's base, or use "
            "--device cpu"
        )
    return detail


def check_threads(plan: Plan) -> str:
    threads, cores = n_threads(), cores_available()
    detail = f"{_count(threads, 'thread')} on {_count(cores, 'core')}"
    if threads > cores:
        raise RecsysSearchError(
            f"{detail}, so they wait for each other; set OMP_NUM_THREADS={cores}"
        )
    return detail


def cores_available() -> int:
    """Processors that this process may use, by its affinity and a container's quota."""
    try:
        cores = len(psutil.Process().cpu_affinity())
    except AttributeError:  # macOS has no affinity
        cores = os.cpu_count() or 1
    try:  # by hand: psutil does not read control groups
        quota_us, period_us = CPU_QUOTA.read_text().split()
        return min(cores, ceil(int(quota_us) / int(period_us)))
    except (OSError, ValueError):  # no control group, or a quota of "max"
        return cores


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
