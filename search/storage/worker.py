"""Who runs a trial: one run of a study in one process. And whether it still does."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psutil
import sqlalchemy
from optuna.storages._rdb.models import TrialHeartbeatModel, TrialModel
from optuna.trial import TrialState
from sqlalchemy.orm import Session

TOLERANCE_S = 1.0  # between two readings of one process's start time

# Generous: a process that is taken for dead has to give up a trial that it is still training.
GRACE_S = 600

_in_progress: set[str] = set()  # the runs of this process


@contextmanager
def worker_identity(run: str | None = None) -> Iterator[dict[str, Any]]:
    """The identity of a run of this process, as a trial stores it; the run ends with the block.

    Args:
        run: a name that no other run has. [default: drawn]
    """
    pid, run = os.getpid(), run or uuid4().hex
    began = _began(psutil.Process(pid))
    _in_progress.add(run)
    try:
        yield {"host": socket.gethostname(), "pid": pid, "began": began, "run": run}
    finally:
        _in_progress.discard(run)


def has_ended(worker: dict[str, Any]) -> bool:
    """Whether the run or its process has ended; one on another host counts as alive."""
    if worker["host"] != socket.gethostname():
        return False
    try:
        process = psutil.Process(worker["pid"])
        # A zombie has ended, though its parent has not waited for it yet.
        if process.status() == psutil.STATUS_ZOMBIE or not _is_same(process, worker["began"]):
            return True
        return process.pid == os.getpid() and worker.get("run") not in _in_progress
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:  # another user's process: it exists
        return False


def silent_trials(session: Session, study_id: int) -> set[int]:
    """Numbers of the study's running trials without a heartbeat for `GRACE_S` seconds."""
    now = session.execute(sqlalchemy.select(sqlalchemy.func.now())).scalar_one()
    oldest = now.replace(tzinfo=None) - timedelta(seconds=GRACE_S)
    query = (
        session.query(TrialModel.number)
        .join(TrialHeartbeatModel, TrialHeartbeatModel.trial_id == TrialModel.trial_id)
        .filter(TrialModel.study_id == study_id, TrialModel.state == TrialState.RUNNING)
        .filter(TrialHeartbeatModel.heartbeat < oldest)
    )
    return {number for (number,) in query}


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
