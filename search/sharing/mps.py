"""NVIDIA's Multi-Process Service (MPS), with which processes run on a GPU at the same time.

Without it they take turns. The user starts its daemon: `nvidia-cuda-mps-control -d`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

CONTROL = "nvidia-cuda-mps-control"
DEFAULT_PIPES = Path("/tmp/nvidia-mps")  # NVIDIA's default
ANSWER_S = 5.0


def mps_is_on() -> bool:
    """Whether the daemon runs that this process's CUDA will use.

    In a container without its program, whether the daemon's pipe is there.
    """
    pipes = Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY") or DEFAULT_PIPES)
    if not (pipes / "control").exists():
        return False
    if (program := shutil.which(CONTROL)) is None:
        return True
    try:
        asked = subprocess.run(
            [program], input="get_server_list\n", text=True, capture_output=True, timeout=ANSWER_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def describe_mps() -> str:
    """A sentence on whether MPS is on, and how to start it."""
    if mps_is_on():
        return "MPS is on, so processes run on a GPU at the same time"
    return f"MPS is off, so processes take turns on a GPU ({CONTROL} -d starts it)"
