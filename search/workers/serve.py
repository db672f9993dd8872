"""A worker as a service: it runs whichever study of a storage has trials left, and waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic, sleep

from ...base.interrupts import Interrupts
from ...errors import NothingYet, RecsysSearchError, StorageError
from ..running.events import Listener, notifier
from ..storage.claims import study_transaction
from ..storage.database import readable_storage, writable_storage
from ..storage.studies import read_stored_specs
from .job import Job
from .join import join_study
from .queue import has_trials

LOOK_EVERY_S = 5.0


def serve_studies(job: Job, listener: Listener, interrupts: Interrupts) -> None:
    """Run trials of the storage's studies, the oldest study first, until a signal.

    A study that ends before its total, or with an error, is left alone until it is changed.

    Args:
        job: its study is ignored.
    """
    notify = notifier(listener)
    done: dict[str, str] = {}  # study -> the spec with which it ended
    told = None
    with interrupts.caught():
        while not interrupts.received:
            try:
                found = _find_study(job.url, done)
                trouble = None
            except NothingYet:
                found, trouble = None, None
            except StorageError as error:
                found, trouble = None, str(error)
            if trouble and trouble != told:
                notify(f"{trouble}; waiting for it")
            told = trouble
            if found is None:
                _pause(lambda: interrupts.received is not None)
                continue
            name, spec = found
            notify(f"study {name} has trials to run")
            try:
                reason = join_study(replace(job, study=name, waits=False), listener, interrupts)
            except RecsysSearchError as error:
                reason = str(error)
            if reason and not interrupts.received:
                notify(f"study {name}: {reason}")
                done[name] = spec
    interrupts.leave()


def _find_study(url: str, done: dict[str, str]) -> tuple[str, str] | None:
    """Name and spec of the first study with a trial to claim."""
    specs = read_stored_specs(readable_storage(url))
    candidates = [(name, spec) for name, spec in specs.items() if done.get(name) != spec]
    if not candidates:
        return None
    with writable_storage(url) as storage:
        for name, spec in candidates:
            study_id = storage.get_study_id_from_name(name)
            with study_transaction(storage, study_id) as transaction:
                if has_trials(transaction):
                    return name, spec
    return None


def _pause(should_end: Callable[[], bool]) -> None:
    until = monotonic() + LOOK_EVERY_S
    while not should_end() and monotonic() < until:
        sleep(0.2)
