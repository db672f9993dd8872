"""Asks the workers of a study to leave, on all machines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from time import sleep

from optuna.storages import RDBStorage

from ..storage.claims import study_transaction
from ..storage.database import readable_storage, writable_storage
from ..storage.studies import STOPPED, check_exists, read_stored_specs

LOOK_EVERY_S = 1.0


def stop_study(url: str, name: str, *, wait: bool, notify: Callable[[str], None]) -> int:
    """Let no trial of the study begin, and the running ones end after their batch.

    They are queued again with a checkpoint, and go on with the next start.

    Args:
        wait: until no trial is running.

    Returns:
        Number of trials that are still running.

    Raises:
        NothingYet: there is no storage yet.
        StudyError: this program has no study of that name there.
    """
    check_exists(name, read_stored_specs(readable_storage(url)), url)
    with writable_storage(url) as storage:
        study_id = storage.get_study_id_from_name(name)
        with study_transaction(storage, study_id) as transaction:
            transaction.set_study_attr(STOPPED, datetime.now().isoformat())
        running = _count_running(storage, study_id)
        if running and wait:
            trials = "1 trial" if running == 1 else f"{running} trials"
            notify(f"waiting for {trials} of {name} to end; Ctrl-C stops only the waiting")
        while running and wait:
            sleep(LOOK_EVERY_S)
            running = _count_running(storage, study_id)
        return running


def _count_running(storage: RDBStorage, study_id: int) -> int:
    with study_transaction(storage, study_id) as transaction:
        return transaction.count_alive()
