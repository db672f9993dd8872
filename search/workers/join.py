"""A worker joins a study that the storage holds, and runs its trials."""

from __future__ import annotations

from ...base.interrupts import Interrupts
from ...data.sets.loading import load_ratings
from ...data.splits.split import split_ratings
from ...model.training.machine import use_threads
from ..running.events import Listener, notifier
from ..running.opening import Overrides, check_same_ratings, resolve_spec
from ..storage.database import writable_storage
from ..storage.failures import STORAGE_FAILURES
from ..storage.studies import FINGERPRINT, read_study_id
from .job import Job
from .patience import StoragePatience
from .worker import Worker


def join_study(job: Job, listener: Listener, interrupts: Interrupts) -> str | None:
    """Run trials of a stored study until it ends.

    Returns:
        Why it ends before its total; None if it has reached it.

    Raises:
        StudyError: no such study, its ratings are others, or its trials keep failing.
        StorageError, DataError: the storage or the ratings cannot be read.
    """
    if job.threads is not None:
        use_threads(job.threads)
    spec = resolve_spec(job.study, job.url, Overrides(dataset=job.dataset))
    ratings = load_ratings(spec.dataset, options=spec.read_options)
    split = split_ratings(ratings, spec.split)
    with writable_storage(job.url) as storage:
        attrs = storage.get_study_system_attrs(read_study_id(spec.name, storage))
        check_same_ratings(spec, attrs[FINGERPRINT], ratings.fingerprint)
        worker = Worker(spec, split, storage, job, listener, job.should_stop(interrupts))
        with interrupts.caught():
            return run_patiently(
                worker, StoragePatience(job.storage_patience, interrupts, notifier(listener))
            )


def run_patiently(worker: Worker, patience: StoragePatience) -> str | None:
    """Run trials, and again each time that the storage works again after it failed."""
    while True:
        try:
            return worker.run()
        except STORAGE_FAILURES as error:
            if not patience.wait(error, worker.recover):
                raise
