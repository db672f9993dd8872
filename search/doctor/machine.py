"""Whether models can be trained here, and on what."""

from __future__ import annotations

import os
import shutil
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import RecsysSearchError
from ...model.training.device import resolve_device
from ...model.training.machine import Cuda, look_at_cuda, look_at_gpu, n_threads, torch_version
from ...model.training.self_test import TOLERANCE, self_test

if TYPE_CHECKING:
    from .examination import Plan

LEAST_GPU_BYTES = 2 * 2**30  # below it a training that starts may not end
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")

_WHY_AMP = {
    "bf16": "bf16, which this device computes in",
    "fp16": "fp16 (bf16 needs a GPU of compute capability 8.0)",
    "off": "float32 (this processor would emulate bf16)",
}


def check_cuda(plan: Plan) -> str:
    """The GPUs that torch sees. None is good, unless the machine has one."""
    cuda = look_at_cuda()
    if cuda.n_gpus:
        return f"{_count(cuda.n_gpus, 'GPU')}, torch for CUDA {cuda.build}"
    if not NVIDIA_DRIVER.exists() and not shutil.which("nvidia-smi"):
        return f"none: trains on the CPU with {_count(n_threads(), 'thread')}"
    raise RecsysSearchError(f"there is an NVIDIA driver, and {_why_no_gpu(cuda)}")


def _why_no_gpu(cuda: Cuda) -> str:
    """The reason and, behind a semicolon, the remedy."""
    if cuda.build is None:
        return (
            f"torch {torch_version()} is built for the CPU alone; install a build with CUDA: "
            f"pip install --force-reinstall torch=={torch_version().partition('+')[0]}"
        )
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return f"CUDA_VISIBLE_DEVICES={visible!r} leaves no GPU; unset it"
    complaint = f": {cuda.warning.replace(';', ',')}" if cuda.warning else ""
    return (
        f"torch for CUDA {cuda.build} finds no GPU{complaint}; update the driver, or install a "
        "build of torch for it: https://pytorch.org/get-started"
    )


def check_device(plan: Plan) -> str:
    """What a study would train on."""
    device = resolve_device(plan.device)
    if device.type == "cpu":
        return f"cpu, {_count(n_threads(), 'thread')}"
    gpu = look_at_gpu(device)
    return f"{device}, {gpu.name}, compute capability {'.'.join(map(str, gpu.capability))}"


def check_gpu_memory(plan: Plan) -> str:
    device = resolve_device(plan.device)
    if device.type == "cpu":
        return "none needed: trains on the CPU"
    gpu = look_at_gpu(device)
    told = f"{gpu.free_bytes / 2**30:.1f} of {gpu.total_bytes / 2**30:.1f} GiB are free"
    if gpu.free_bytes < LEAST_GPU_BYTES:
        raise RecsysSearchError(
            f"{told}; end other programs on the GPU (nvidia-smi lists them), or use another "
            "with --device cuda:N"
        )
    return told


def check_amp(plan: Plan) -> str:
    """A small training in the precision that a study would use, beside one in float32."""
    result = self_test(plan.device)
    told = f"{_WHY_AMP[result.amp]}: loss {result.loss:.4f} after {result.n_steps} training steps"
    if result.amp != "off":
        told += f", {result.float32_loss:.4f} in float32"
    if not result.passed:
        raise RecsysSearchError(
            f"{told}, more than {TOLERANCE:.0%} apart, or gradients that are not finite "
            f"(norm {result.grad_norm:.4g}); write amp: off in the study's base, or use "
            "--device cpu"
        )
    return told


def check_threads(plan: Plan) -> str:
    threads, cores = n_threads(), cores_available()
    told = f"{_count(threads, 'thread')} on {_count(cores, 'core')}"
    if threads > cores:
        raise RecsysSearchError(
            f"{told}, where they wait for each other; set OMP_NUM_THREADS={cores}"
        )
    return told


def cores_available() -> int:
    """Processors that this process may use, as its affinity and a container's quota have it."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        cores = os.cpu_count() or 1
    try:
        quota_us, period_us = CPU_QUOTA.read_text().split()
        return min(cores, ceil(int(quota_us) / int(period_us)))
    except (OSError, ValueError):  # no control group, or its quota is "max"
        return cores


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
