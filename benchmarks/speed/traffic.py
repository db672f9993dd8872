"""What a step computes and moves, and what the device could do in that time."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


class _MovedBytes(TorchDispatchMode):
    """The sizes of what each operation reads and writes; of an embedding, only the rows.

    Not counted: sparse gradients, and random numbers that numpy draws.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view and func is not torch.ops.aten._unsafe_view.default:
            read = tree_leaves((args, kwargs))
            if func is torch.ops.aten.embedding.default:
                read = read[1:]
            for tensor in (*read, *tree_leaves(result)):
                if isinstance(tensor, Tensor) and tensor.layout is torch.strided:
                    self.total += tensor.numel() * tensor.element_size()
        return result


def traffic_of(step: Callable[[], object]) -> tuple[int, int]:
    """Floating-point operations of a step's matrix products, and bytes that all of it moves."""
    with FlopCounterMode(display=False) as flops, _MovedBytes() as moved:
        step()
    return flops.get_total_flops(), moved.total


def matrix_rate(device: torch.device, dtype: torch.dtype, size: int | None = None) -> float:
    """Floating-point operations a second in a product of large matrices."""
    size = size or (8192 if device.type == "cuda" else 2048)
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / _fastest_s(lambda: a @ b, device)


def bandwidth(device: torch.device) -> float:
    """Bytes a second of a copy that is larger than any cache, read and written."""
    source = torch.ones(2**28 if device.type == "cuda" else 2**26, device=device)
    target = torch.empty_like(source)
    return (
        2
        * source.numel()
        * source.element_size()
        / _fastest_s(lambda: target.copy_(source), device)
    )


def _fastest_s(work: Callable[[], object], device: torch.device, rounds: int = 10) -> float:
    times = []
    for _ in range(rounds):
        wait_for(device)
        started_at = perf_counter()
        work()
        wait_for(device)
        times.append(perf_counter() - started_at)
    return min(times)


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
