"""The C library's memory allocator, set for training on a CPU."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

_MIB = 2**20
# glibc's mallopt(3): what is mapped on its own, and how much of the end of the heap stays.
_M_MMAP_THRESHOLD, _MMAP_BYTES = -3, 32 * _MIB  # the most that every version accepts
_M_TRIM_THRESHOLD, _TRIM_BYTES = -1, 256 * _MIB
_VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


@cache
def keep_freed_memory() -> None:
    """Let a step use the memory that the step before has freed, in all of this process.

    By default glibc returns large blocks to the system as soon as they are free, and the kernel
    clears the pages of each new one, which takes a tenth to a fifth of a step (docs/speed.md).
    Other C libraries are left alone, and so are settings by environment variables.
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in _VARIABLES):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # A trim threshold alone turns off glibc's own adjustment of the other, and is worse than none.
    if mallopt is not None and mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES):
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
