"""The state of torch's random generators, on the CPU and on a training's device; fixed rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def random_states(device: torch.device) -> list[Tensor]:
    """The state of the CPU's generator, and of the GPU's if the device is one."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed the generators of `random_states`; `torch.manual_seed` would seed those of all GPUs."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def set_random_states(states: Sequence[Tensor], device: torch.device) -> None:
    """Set what `random_states` returned; a GPU keeps its own if they come from a CPU."""
    torch.set_rng_state(states[0])
    if device.type == "cuda" and len(states) > 1:
        torch.cuda.set_rng_state(states[1], device)


def fixed_rows(n_rows: int, n_wanted: int, device: torch.device) -> Tensor:
    """The same rows in every epoch and for every seed, so that curves are comparable."""
    if n_wanted >= n_rows:
        return torch.arange(n_rows, device=device)
    rows = np.random.default_rng(0).choice(n_rows, n_wanted, replace=False)
    return torch.from_numpy(np.sort(rows)).to(device)
