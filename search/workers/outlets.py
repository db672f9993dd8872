"""A worker with its own notifications and trackers, in a process that no `start` listens to."""

from __future__ import annotations

from optuna.trial import TrialState

from ...base.interrupts import Interrupts
from ...errors import RecsysSearchError
from ..listeners.attach import Outlets, attached
from ..running.events import Listener, StudyEnded
from ..running.opening import Overrides, resolve_spec
from ..storage.claims import study_transaction
from ..storage.database import writable_storage
from ..storage.studies import DETACHED, STOPPED, read_study_id
from .job import Job
from .join import join_study


def join_with_outlets(
    job: Job, listener: Listener, interrupts: Interrupts, outlets: Outlets
) -> str | None:
    """`join_study`, whose new bests and trouble also reach people, and its trials the trackers.

    The last worker of a study that was started with `--detach` also reports the study's end.

    Raises:
        RecsysSearchError: as in `join_study`.
    """
    spec = resolve_spec(job.study, job.url, Overrides(dataset=job.dataset))
    with attached(listener, spec, job.url, outlets, is_worker=True) as listener:
        try:
            reason = join_study(job, listener, interrupts)
        except RecsysSearchError as error:
            listener(StudyEnded(str(error), failed=True))
            raise
        if not job.should_stop(interrupts)() and _is_last(job):
            listener(StudyEnded(reason))
        return reason


def _is_last(job: Job) -> bool:
    """Whether a detached study has ended, and no other worker has reported it."""
    with writable_storage(job.url) as storage:
        study_id = read_study_id(job.study, storage)
        with study_transaction(storage, study_id) as transaction:
            is_over = not (transaction.study_attr(STOPPED) or transaction.count(TrialState.RUNNING))
            is_last = is_over and bool(transaction.study_attr(DETACHED))
            if is_last:
                transaction.set_study_attr(DETACHED, False)
            return is_last
