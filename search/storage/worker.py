"""The process that runs a trial, and whether it is still alive."""

from __future__ import annotations

import os
import socket
from typing import Any

import psutil

TOLERANCE_S = 1.0  # between two readings of one process's start time


def this_worker() -> dict[str, Any]:
    """The identity of this process, as a trial stores it."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "began": _began(psutil.Process(pid))}


def has_ended(worker: dict[str, Any]) -> bool:
    """Whether the process has ended; one on another host counts as alive."""
    if worker["host"] != socket.gethostname():
        return False
    try:
        process = psutil.Process(worker["pid"])
        # A zombie has ended, though its parent has not waited for it yet.
        return process.status() == psutil.STATUS_ZOMBIE or not _is_same(process, worker["began"])
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:  # another user's process: it exists
        return False


def is_this_process(worker: dict[str, Any]) -> bool:
    """Whether the worker is the current process."""
    return {**worker, "began": None} == {**this_worker(), "began": None} and not has_ended(worker)


def _began(process: psutil.Process) -> float:
    """When the process started, in seconds; unaffected when the clock is set.

    On Linux it counts from boot: psutil adds a boot time that moves with the clock.
    """
    return float(process.create_time() - (psutil.boot_time() if psutil.LINUX else 0.0))


def _is_same(process: psutil.Process, began: float | str | None) -> bool:
    """Whether the process started at that time; if not, its PID now belongs to a new process.

    Text is what an earlier version stored: a worker of that version cannot be running any more.
    """
    return isinstance(began, float) and abs(_began(process) - began) < TOLERANCE_S
