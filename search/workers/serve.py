"""A worker as a service: it runs whichever study of a storage has trials left, and waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...base.interrupts import Interrupts, pause
from ...errors import NothingYet, RecsysSearchError, StorageError
from ..listeners.attach import NO_OUTLETS, Outlets
from ..running.events import Listener, notifier
from ..storage.claims import study_transaction
from ..storage.database import readable_storage, writable_storage
from ..storage.studies import read_stored_specs, read_study_id
from .job import Job
from .outlets import join_with_outlets
from .queue import has_trials

LOOK_EVERY_S = 5.0


def serve_studies(
    job: Job, listener: Listener, interrupts: Interrupts, outlets: Outlets = NO_OUTLETS
) -> None:
    """Run trials of the storage's studies, the oldest study first, until a signal or the deadline.

    A study that ends before its total, or with an error, is left alone until it is changed.

    Args:
        job: its study is ignored.
    """
    notify, should_stop = notifier(listener), job.should_stop(interrupts)
    done: dict[str, str] = {}  # study -> the spec with which it ended
    reported = None  # the latest trouble of the storage

    def run(job: Job, spec: str) -> None:
        try:
            reason = join_with_outlets(job, listener, interrupts, outlets)
        except StorageError:
            raise
        except RecsysSearchError as error:
            reason = str(error)
        if reason and not should_stop():
            notify(f"study {job.study}: {reason}")
            done[job.study] = spec

    with interrupts.caught():
        while (why := should_stop()) is None:
            trouble = None
            try:
                if found := _find_study(job.url, done, notify):
                    name, spec = found
                    notify(f"study {name} has trials to run")
                    run(replace(job, study=name, waits=False), spec)
                    continue
            except NothingYet:
                pass
            except StorageError as error:  # not the end of a service
                trouble = str(error)
            if trouble and trouble != reported:
                notify(f"{trouble}; waiting for it")
            reported = trouble
            pause(LOOK_EVERY_S, should_stop)
    interrupts.leave()
    notify(why)


def _find_study(
    url: str, done: dict[str, str], notify: Callable[[str], None]
) -> tuple[str, str] | None:
    """Name and spec of the first study with a trial to claim; one that cannot be read is done."""
    specs = read_stored_specs(readable_storage(url))
    candidates = [(name, spec) for name, spec in specs.items() if done.get(name) != spec]
    if not candidates:
        return None
    with writable_storage(url) as storage:
        for name, spec in candidates:
            try:
                with study_transaction(storage, read_study_id(name, storage)) as transaction:
                    if has_trials(transaction):
                        return name, spec
            except RecsysSearchError as error:  # such as a spec that another version wrote
                notify(f"study {name}: {error}")
                done[name] = spec
    return None
