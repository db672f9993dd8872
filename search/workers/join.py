"""A worker joins a study that the storage holds, and runs its trials."""

from __future__ import annotations

from collections.abc import Callable

from ...base.interrupts import Interrupts
from ...data.sets.loading import load_ratings
from ...data.sets.prepared_splits import open_split
from ...data.splits.split import Split
from ...errors import RecsysSearchError
from ...model.training.machine import use_threads
from ..definition.study_file import spec_from_json
from ..running.events import Event, Listener, Notice, broadcast
from ..running.opening import Overrides, check_same_ratings, resolve_spec
from ..storage.database import writable_storage
from ..storage.failures import STORAGE_FAILURES
from ..storage.studies import FINGERPRINT, SPEC, read_study_id
from .job import Ended, Job
from .patience import StoragePatience
from .worker import Worker


def join_study(
    job: Job, listener: Listener, interrupts: Interrupts, split: Split | None = None
) -> str | None:
    """Run trials of a stored study until it ends.

    Args:
        split: of the study's ratings. [default: read from the study's dataset]

    Returns:
        Why it ends before its total; None if it has reached it.

    Raises:
        StudyError: no such study, its ratings are others, or its trials keep failing.
        StorageError, DataError: the storage or the ratings cannot be read.
    """
    if job.threads is not None:
        use_threads(job.threads)
    ratings = None
    if split is None:
        spec = resolve_spec(job.study, job.url, Overrides(dataset=job.dataset))
        ratings = load_ratings(spec.dataset, options=spec.read_options)
        split = open_split(ratings, spec.split)
    with writable_storage(job.url) as storage:
        attrs = storage.get_study_system_attrs(read_study_id(job.study, storage))
        if ratings is None:
            spec = spec_from_json(attrs[SPEC])
        else:
            check_same_ratings(spec, attrs[FINGERPRINT], ratings.fingerprint)
        worker = Worker(spec, split, storage, job, listener, job.should_stop(interrupts))
        with interrupts.caught():
            return run_patiently(
                worker, StoragePatience(job.storage_patience, interrupts, listener)
            )


def join_and_report(
    job: Job,
    send: Callable[[Event | Ended], object],
    interrupts: Interrupts,
    split: Split | None = None,
) -> None:
    """Join a study on behalf of another process.

    Args:
        send: passes an event, or last the outcome, to that process.
    """

    def listen(event: Event) -> None:
        # After a signal, that process has already reported it; the workers need not.
        if not (isinstance(event, Notice) and interrupts.received):
            send(event)

    try:
        outcome = Ended(join_study(job, broadcast(listen), interrupts, split))
    except RecsysSearchError as error:
        outcome = Ended(error=error)
    send(outcome)


def run_patiently(worker: Worker, patience: StoragePatience) -> str | None:
    """Run trials, and again each time that the storage works again after it failed."""
    while True:
        try:
            return worker.run()
        except STORAGE_FAILURES as error:
            if not patience.wait(error, worker.recover):
                raise
