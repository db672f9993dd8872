"""Runs trials of stored studies, next to other workers: the command `worker`."""

from __future__ import annotations

from time import time

from ...base.interrupts import Interrupts
from ...model.training.device import resolve_device
from ..definition.durations import parse_duration
from ..listeners.attach import NO_OUTLETS, Outlets, check_outlets
from ..running.events import Listener, broadcast, ignore, notifier
from ..sharing.options import TrialsPerGpu, check_shares
from ..storage.access import check_can_write
from ..storage.database import readable_storage
from ..storage.studies import check_exists, read_stored_specs
from .job import Job
from .outlets import join_with_outlets
from .serve import serve_studies


def run_worker(
    study: str | None,
    storage_url: str,
    *,
    dataset: str | None = None,
    timeout: str | None = None,
    storage_patience: str | None = None,
    device: str = "auto",
    trials_per_gpu: TrialsPerGpu | None = None,
    outlets: Outlets = NO_OUTLETS,
    listener: Listener = ignore,
) -> None:
    """Run trials of a stored study until it ends, or of all studies until a signal.

    Signals and the timeout work as in `run_study`.

    Args:
        study: its name; None serves whichever study has trials to run.
        dataset: where the study's ratings are on this machine. [default: where they were]
        trials_per_gpu: how many trials may train on this worker's GPU at the same time, those of
            other workers included: a number, or `auto` for as many as fit its memory.
        outlets: notifications and trackers of this worker, in addition to the study file's.

    Raises:
        StudyError: no such study, its ratings are others, or its trials keep failing.
        NothingYet: there is no storage yet, and a study is named.
        StorageError, DataError, ConfigError: as for `run_study`.
        KeyboardInterrupt, SystemExit: likewise.
    """
    resolve_device(device)
    if trials_per_gpu is not None:
        check_shares(trials_per_gpu, device)
    listener = broadcast(listener)
    notify = notifier(listener)
    interrupts = Interrupts(notify)
    job = Job(
        study=study or "",
        url=storage_url,
        device=device,
        dataset=dataset,
        timeout=timeout,
        deadline=None if timeout is None else time() + parse_duration(timeout),
        storage_patience=storage_patience,
        trials_per_gpu=trials_per_gpu,
    )
    check_outlets(outlets)
    check_can_write(storage_url)
    if study is None:
        serve_studies(job, listener, interrupts, outlets)
        return
    check_exists(study, read_stored_specs(readable_storage(storage_url)), storage_url)
    reason = join_with_outlets(job, listener, interrupts, outlets)
    if not interrupts.received:
        notify(reason or f"all trials of {study} are done")
    interrupts.leave()
