"""Which process runs a trial, and whether it is still alive."""

from __future__ import annotations

import os
import socket
from typing import Any

import psutil

TOLERANCE_S = 1.0  # the boot time is known to whole seconds


def this_worker() -> dict[str, Any]:
    """The record of this process that its trials carry."""
    process = psutil.Process()
    return {"host": socket.gethostname(), "pid": process.pid, "began": _created_at(process)}


def has_ended(worker: dict[str, Any]) -> bool:
    """Whether the process has ended; False for one on another host, which cannot be checked."""
    if worker["host"] != socket.gethostname():
        return False
    try:
        process = psutil.Process(worker["pid"])
        # A process whose parent has not collected it is still listed.
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return True
        created_at = _created_at(process)
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:  # another user's process: it exists
        return False
    # The system reuses process numbers.
    recorded = _recorded_at(worker["began"])
    return recorded is not None and abs(created_at - recorded) > TOLERANCE_S


def _created_at(process: psutil.Process) -> float:
    """When the process was created, in seconds; setting the clock does not change it.

    On Linux it counts from the boot, since psutil adds a boot time that moves with the clock.
    """
    return process.create_time() - (psutil.boot_time() if psutil.LINUX else 0.0)


def _recorded_at(began: float | str | None) -> float | None:
    """A record's `began` in seconds: earlier versions stored Linux's clock ticks as text, or None.

    Ticks count from the boot as well, so that a trial of an earlier version is judged correctly.
    """
    return int(began) / os.sysconf("SC_CLK_TCK") if isinstance(began, str) else began
