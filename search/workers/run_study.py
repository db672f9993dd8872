"""Runs a study trial by trial until it reaches its total, target, budget or timeout."""

from __future__ import annotations

from time import time

from ...base.interrupts import Interrupts
from ...data.sets.loading import load_ratings
from ...data.splits.split import split_ratings
from ...model.training.device import resolve_device
from ..definition.durations import parse_duration
from ..definition.study_file import StudySpec
from ..running.events import Listener, StudyStarted, broadcast, ignore, notifier
from ..running.opening import Overrides, open_study, resolve_spec, with_done
from ..running.targets import check_target, describe_scale, target_in_ratings
from ..storage.access import check_can_write
from ..storage.database import writable_storage
from ..storage.examples import DEFAULT_STORAGE, example, storage_option
from ..storage.trials import count_trials
from .job import Job
from .join import run_patiently
from .patience import StoragePatience
from .pool import Pool
from .threads import chosen_threads, plan_workers
from .worker import Worker


def run_study(
    name_or_path: str,
    storage_url: str = DEFAULT_STORAGE,
    *,
    overrides: Overrides | None = None,
    timeout: str | None = None,
    storage_patience: str | None = None,
    device: str = "auto",
    workers: int | None = 1,
    detach: bool = False,
    listener: Listener = ignore,
) -> str:
    """Run a study, or continue it, until it is done, out of time, or interrupted.

    Other processes may run the same study: together they end with exactly its total.

    The first Ctrl-C, SIGTERM, SIGUSR1 or SIGHUP ends the running trial after its batch, with a
    checkpoint; the second one ends it at once. Either way the trial is queued again, and the next
    call goes on from its last checkpoint.

    Args:
        timeout: of this call, such as `2h`. [default: the study file's]
        storage_patience: how long to wait for the storage each time that it fails, such as `10m`.
            The running trial then goes on from a checkpoint. [default: not at all]
        workers: number of processes that run trials; None measures what gives the most trials an
            hour. A single one is this process.
        detach: leave the trials to workers elsewhere.
        listener: receives each event of `events`; an exception in it becomes a warning.

    Returns:
        The study's name.

    Raises:
        StudyError: no such study, it exists with other settings, or trials keep failing.
        StorageError: the storage cannot be opened, or failed; the next call continues the study.
        OutputError: a folder is not writable.
        ConfigError: the study file, an override, the device or the timeout is invalid, or the bias
            baseline meets the target.
        DataError: the ratings cannot be read.
        KeyboardInterrupt: on Ctrl-C, once everything is saved.
        SystemExit: 143 on SIGTERM, 138 on SIGUSR1, 129 on SIGHUP, likewise.
    """
    started_at = time()
    resolve_device(device)  # refuse a wrong device before anything is created
    listener = broadcast(listener)  # its errors must not end a trial
    notify = notifier(listener)
    interrupts = Interrupts(notify)
    patience = StoragePatience(storage_patience, interrupts, notify)
    check_can_write(storage_url)
    spec = resolve_spec(name_or_path, storage_url, overrides or Overrides())
    timeout = timeout or spec.timeout
    deadline = None if timeout is None else started_at + parse_duration(timeout)
    ratings = load_ratings(spec.dataset, options=spec.read_options)
    split = split_ratings(ratings, spec.split)
    in_stars, spec = spec, target_in_ratings(spec, ratings.scale)
    baseline = check_target(spec, split, storage_url, device)
    with writable_storage(storage_url) as storage:
        study = open_study(spec, ratings.fingerprint, storage)
        if baseline is not None:
            study.set_user_attr("bias_val_rmse", baseline)
        n_done = count_trials(study.get_trials(deepcopy=False))
        asked, spec = spec.trials, with_done(spec, n_done)
        listener(StudyStarted(spec, n_done))
        for note in (*split.notes, *describe_scale(in_stars, spec, ratings.scale)):
            notify(note)
        if detach:
            notify(_describe_detached(spec, storage_url))
            return spec.name
        plan = plan_workers(spec, split, device, workers if n_done < asked else 1)
        if plan.why:
            notify(plan.why)
        job = Job(
            study=spec.name,
            url=storage_url,
            device=device,
            threads=plan.threads,
            timeout=timeout,
            deadline=deadline,
            storage_patience=storage_patience,
        )
        with interrupts.caught(), chosen_threads(plan.threads):
            if plan.workers > 1:
                reason = Pool(job, plan.workers, listener, interrupts).run()
            else:
                should_stop = job.should_stop(interrupts)
                worker = Worker(spec, split, storage, job, listener, should_stop)
                reason = run_patiently(worker, patience)
            if reason is None and n_done >= asked:
                reason = _describe_total(spec, n_done, asked, storage_url)
            if reason and not interrupts.received:  # which the listener knows
                notify(reason)
    interrupts.leave()
    return spec.name


def _describe_total(spec: StudySpec, n_done: int, asked: int, storage_url: str) -> str:
    """Why a start had nothing to do, and how to get more trials."""
    options = ("--study", spec.name, *storage_option(storage_url), "--trials", n_done + 10)
    done = f"all {n_done} trials of {spec.name} are done"
    if n_done > asked:
        done = f"{n_done} trials of {spec.name} are done, more than the total of {asked}"
    return f"{done}; for more: {example('start', *options)}"


def _describe_detached(spec: StudySpec, storage_url: str) -> str:
    """How to run a study that waits for workers."""
    worker = example("worker", "--study", spec.name, *storage_option(storage_url))
    return f"study {spec.name} waits for workers; on any machine: {worker}"
