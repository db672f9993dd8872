"""Runs a study on a Ray cluster."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from ...base.interrupts import Interrupts
from ...errors import StudyError
from ..running.events import Listener, notifier
from ..storage.failures import STORAGE_FAILURES
from ..storage.studies import read_study_id
from ..storage.urls import sqlite_file, sqlite_url
from ..workers.job import Job
from ..workers.queue import recover
from .cluster import Allocation
from .open_study import OpenStudy
from .pool import Pool
from .ray_member import RayMember
from .shared_artifacts import mark_artifacts


def run_on_cluster(
    study: OpenStudy, job: Job, allocation: Allocation, listener: Listener, interrupts: Interrupts
) -> str | None:
    """Run trials on the connected Ray cluster; returns why the study ends before its total."""
    import ray

    if allocation.shortage:
        notifier(listener)(allocation.shortage)
    if (path := sqlite_file(job.url)) is not None:
        job = replace(job, url=sqlite_url(path.absolute()))
    if job.device == "auto" and not allocation.gpus:
        # Ray hides no GPU from a worker that is given none.
        job = replace(job, device="cpu")
    job = replace(job, threads=allocation.cpus)
    study_id = read_study_id(job.study, study.storage)

    def requeue(run: str) -> None:
        # If the storage fails too, the trial goes on later, when its heartbeat has been missing
        # for long enough; a study that is deleted has no trials.
        with suppress(StudyError, *STORAGE_FAILURES):
            recover(study.storage, study_id, {run})

    with mark_artifacts(job.url) as artifacts:
        split = ray.put(study.split)  # once; Ray copies it to each node that has a worker
        members = [
            RayMember(number, job, split, allocation, artifacts, requeue)
            for number in range(allocation.workers)
        ]
        return Pool(members, listener, interrupts, job.should_stop(interrupts)).run()
