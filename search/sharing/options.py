"""The option `--trials-per-gpu`: what it may be, and where it has an effect."""

from __future__ import annotations

from typing import Literal

from ...errors import OptionError
from ...model.training.device import resolve_device

TrialsPerGpu = int | Literal["auto"]


def check_shares(trials_per_gpu: TrialsPerGpu, device: str) -> None:
    """Refuse to share a device that is no GPU.

    Raises:
        OptionError: likewise, or this machine has no such device.
    """
    if resolve_device(device).type == "cpu":
        raise OptionError(
            f"--trials-per-gpu {trials_per_gpu}: trials train on the CPU here; for several at a "
            "time write --workers N, or auto"
        )


def check_start_shares(
    trials_per_gpu: TrialsPerGpu,
    device: str,
    *,
    cluster: str | None,
    gpus_per_trial: float | None,
    detach: bool,
) -> None:
    """Refuse to share GPUs where that has no effect, or another option decides on it.

    Raises:
        OptionError: likewise.
    """
    option = f"--trials-per-gpu {trials_per_gpu}"
    if detach:
        raise OptionError(
            f"{option} has no effect with --detach, which runs no trials; give it to the workers"
        )
    if not cluster:
        check_shares(trials_per_gpu, device)
    elif trials_per_gpu == "auto":
        raise OptionError(
            f"{option}: Ray places trials before their memory is known; write a number with "
            f"--cluster {cluster}"
        )
    elif gpus_per_trial is not None:
        raise OptionError(
            f"{option} and --gpus-per-trial {gpus_per_trial:g} set the same thing; leave one out"
        )
