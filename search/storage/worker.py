"""Who runs a trial, and whether they are still alive."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any


def this_worker() -> dict[str, Any]:
    """What a trial remembers of the process that runs it."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "began": _began(pid)}


def is_gone(worker: dict[str, Any]) -> bool:
    """Whether the process has ended; one on another host may be alive for all we know."""
    if worker["host"] != socket.gethostname():
        return False
    try:
        os.kill(worker["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # someone else's process: it is there
        pass
    # A process that nobody waited for is still listed; and the number may be another's by now.
    return _has_ended(worker["pid"]) or _began(worker["pid"]) != worker["began"]


def _began(pid: int) -> str | None:
    """When the process began, in the kernel's ticks; None where the kernel does not tell."""
    fields = _status(pid)
    return fields[19] if fields else None


def _has_ended(pid: int) -> bool:
    fields = _status(pid)
    return bool(fields) and fields[0] in ("Z", "X")


def _status(pid: int) -> list[str]:
    """Linux's fields of a process, from its state on; empty elsewhere."""
    try:
        # The name before them, in parentheses, may hold blanks and parentheses.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
