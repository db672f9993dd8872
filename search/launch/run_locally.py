"""Runs a study on this machine: in this process, or in several that it starts."""

from __future__ import annotations

from dataclasses import replace

from ...base.interrupts import Interrupts
from ..running.events import Listener, notifier
from ..sharing.mps import describe_mps
from ..sharing.options import TrialsPerGpu
from ..workers.job import Job
from ..workers.join import run_patiently
from ..workers.patience import StoragePatience
from ..workers.worker import Worker
from .open_study import OpenStudy
from .plan import chosen_threads, plan_workers, workers_on_gpus
from .pool import Pool
from .process_member import ProcessMember


def run_locally(
    study: OpenStudy, job: Job, workers: int | None, listener: Listener, interrupts: Interrupts
) -> str | None:
    """Run trials until the study ends; returns why it ends before its total.

    Args:
        workers: None measures how many give the most trials an hour; of no effect if the job sets
            the trials per GPU.
    """
    notify = notifier(listener)
    if job.trials_per_gpu is not None:
        workers = workers_on_gpus(job.trials_per_gpu, job.device)
        if not study.is_done:
            notify(_describe_sharing(job.trials_per_gpu, workers))
    plan = plan_workers(study.spec, study.split, job.device, 1 if study.is_done else workers)
    if plan.why:
        notify(plan.why)
    job = replace(job, threads=plan.threads)
    should_stop = job.should_stop(interrupts)
    if plan.workers > 1:
        members = [ProcessMember(number, job) for number in range(plan.workers)]
        return Pool(members, listener, interrupts, should_stop).run()
    worker = Worker(study.spec, study.split, study.storage, job, listener, should_stop)
    with chosen_threads(plan.threads):
        return run_patiently(worker, StoragePatience(job.storage_patience, interrupts, listener))


def _describe_sharing(trials_per_gpu: TrialsPerGpu, workers: int) -> str:
    many = f"{workers} worker{'' if workers == 1 else 's'}"
    if trials_per_gpu == "auto":
        many += "; a trial begins when its GPU has room for what it may take"
    return f"{many}; {describe_mps()}"
