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
    return _began(worker["pid"]) != worker["began"]  # the number may have gone to another process


def _began(pid: int) -> str | None:
    """When the process began, in the kernel's ticks; None where the kernel does not tell."""
    try:
        # The name, in parentheses, may hold blanks; the start time is the 20th field after it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
