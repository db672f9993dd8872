"""Work on all of a CPU's threads, each with work of its own.

What a part of a batch computes is too small for torch to share between threads: waiting for each
other after each operation takes as long as the work.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from threading import Barrier
from typing import TypeVar

import torch

AHEAD = 2  # results per thread that wait for the caller

T = TypeVar("T")
R = TypeVar("R")


def n_workers(device: torch.device, n_items: int) -> int:
    """Threads that so many items on a device keep busy: a GPU is fed by one."""
    return max(1, min(torch.get_num_threads(), n_items)) if device.type == "cpu" else 1


def map_on_threads(work: Callable[[T], R], items: Sequence[T], device: torch.device) -> Iterator[R]:
    """The results in the order of the items, computed on as many threads as torch may use.

    Without gradient where the caller has none. At most `AHEAD` results per thread are held.
    """
    if n_workers(device, len(items)) == 1:
        yield from map(work, items)
        return
    n_threads = torch.get_num_threads()
    needs_grad = torch.is_grad_enabled()

    def on_thread(item: T) -> R:
        with torch.set_grad_enabled(needs_grad):
            return work(item)

    pool = _pool(n_threads, os.getpid())
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(on_thread, item))
            if len(waiting) == AHEAD * n_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@cache
def _pool(n: int, process: int) -> ThreadPoolExecutor:
    """Threads in each of which torch uses no others. Args: process: a fork has no threads."""
    pool = ThreadPoolExecutor(n, thread_name_prefix="torch")
    started = Barrier(n)

    def start(_: int) -> None:
        torch.get_num_threads()  # the first question in a thread sets the number to the caller's
        torch.set_num_threads(1)
        started.wait()

    list(pool.map(start, range(n)))
    torch.set_num_threads(n)
    return pool
