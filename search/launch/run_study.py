"""Runs a study trial by trial until it reaches its total, target, budget or timeout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import time

from ...base.interrupts import Interrupts
from ...base.messages import format_error
from ...data.sets.loading import load_ratings
from ...data.sets.prepared_splits import open_split
from ...errors import OptionError, RecsysSearchError
from ...model.architectures.memory import DataSizes
from ...model.evaluation.weighted import find_metric
from ...model.training.device import resolve_device
from ..definition.durations import parse_duration
from ..definition.study_file import StudySpec
from ..listeners.attach import NO_OUTLETS, Outlets, attached
from ..presets.fit import Fit, data_sizes, describe_fit, fit_new, fit_stored, restricted
from ..presets.machine import describe_mismatch, memory_share
from ..presets.merged import describe_merged
from ..presets.table import Preset
from ..prospects.outlook import describe_finish
from ..running.events import Listener, StudyEnded, StudyStarted, broadcast, ignore, notifier
from ..running.opening import (
    Overrides,
    is_stored,
    open_study,
    read_fit,
    resolve_spec,
    with_done,
)
from ..running.study_progress import StudyProgress
from ..running.targets import check_target, describe_scale, target_in_ratings
from ..samplers.grid import describe_grid, study_total
from ..sharing.options import TrialsPerGpu, check_start_shares
from ..storage.access import check_can_write
from ..storage.database import writable_storage
from ..storage.examples import DEFAULT_STORAGE, example, storage_and_artifacts
from ..storage.failures import storage_error
from ..storage.studies import DETACHED, STAR, read_study_id
from ..storage.trials import count_trials
from ..workers.job import Job
from .cluster import Allocation, allocate_nodes, check_storage, connected
from .open_study import OpenStudy
from .run_locally import run_locally
from .run_on_cluster import run_on_cluster
from .warm_start import learn_from_earlier


def run_study(
    name_or_path: str,
    storage_url: str = DEFAULT_STORAGE,
    *,
    overrides: Overrides | None = None,
    timeout: str | None = None,
    storage_patience: str | None = None,
    device: str = "auto",
    workers: int | None = 1,
    cluster: str | None = None,
    gpus_per_trial: float | None = None,
    trials_per_gpu: TrialsPerGpu | None = None,
    detach: bool = False,
    outlets: Outlets = NO_OUTLETS,
    listener: Listener = ignore,
) -> str:
    """Run a study, or continue it, until it is done, out of time, or interrupted.

    Other processes may run the same study: together they end with exactly its total.

    The first Ctrl-C, SIGTERM, SIGUSR1 or SIGHUP ends the running trials after their batch, with a
    checkpoint; the second one ends them at once. Either way they are queued again, and the next
    call goes on from their last checkpoint.

    Args:
        timeout: of this call, such as `2h`. [default: the study file's]
        storage_patience: how long to wait for the storage each time that it fails, such as `10m`.
            The running trial then goes on from a checkpoint. [default: not at all]
        workers: number of processes that run trials; None is as many as give the most trials an
            hour, by a measurement, or as fit on the cluster. A single one is this process.
        cluster: the Ray cluster to run trials on: `host:port` of its head, or `auto` for the one
            that this machine belongs to. [default: none, only this machine]
        gpus_per_trial: GPUs of the cluster for each trial, from 0 to 1, such as 0.25.
            [default: 1, or 0 if it has none or with `device="cpu"`]
        trials_per_gpu: trials that train on each GPU at the same time, in processes of their own:
            a number, or `auto` for as many as fit its memory. It then sets the number of workers.
        detach: only store the study, for workers elsewhere.
        outlets: notifications and trackers of this call, in addition to the study file's.
        listener: receives each event of `events`; an exception in it becomes a warning.

    Returns:
        The study's name.

    Raises:
        StudyError: no such study, it exists with other settings, or trials keep failing.
        StorageError: the storage cannot be opened, or failed; the next call continues the study.
        OutputError: a folder is not writable.
        ConfigError: the study file, an override, the device or the timeout is invalid, or the bias
            baseline meets the target.
        OptionError: there is no such cluster, it has too few GPUs, or options contradict each
            other.
        DataError: the ratings cannot be read.
        KeyboardInterrupt: on Ctrl-C, once everything is saved.
        SystemExit: 143 on SIGTERM, 138 on SIGUSR1, 129 on SIGHUP, likewise.
    """
    started_at = time()
    overrides = overrides or Overrides()
    preset = overrides.preset
    if preset and preset.gpu is None and device == "auto":
        device = "cpu"
    _check_options(cluster, gpus_per_trial, detach=detach)
    if trials_per_gpu is not None:
        check_start_shares(
            trials_per_gpu, device, cluster=cluster, gpus_per_trial=gpus_per_trial, detach=detach
        )
        if cluster:
            gpus_per_trial = 1 / int(trials_per_gpu)
    # Of the bias baseline, which is computed here; a node of a cluster checks `device` itself.
    baseline_device = "auto" if cluster else device
    resolve_device(baseline_device)  # refuse what is wrong before anything is created
    listener = broadcast(listener)  # its errors must not end a trial
    interrupts = Interrupts(notifier(listener))
    with connected(cluster) as nodes:
        check_storage(storage_url, nodes)
        allocation = allocate_nodes(nodes, workers, gpus_per_trial, device) if cluster else None
        check_can_write(storage_url)
        spec = resolve_spec(name_or_path, storage_url, overrides)
        timeout = timeout or spec.timeout
        job = Job(
            study=spec.name,
            url=storage_url,
            device=device,
            timeout=timeout,
            deadline=None if timeout is None else started_at + parse_duration(timeout),
            storage_patience=storage_patience,
            trials_per_gpu=None if cluster else trials_per_gpu,
        )
        share = 1.0
        if preset:
            share = memory_share(preset, device, workers, trials_per_gpu)
            if allocation:
                share = allocation.gpus or 1.0
            if not (cluster or detach) and (note := describe_mismatch(preset, device)):
                notifier(listener)(note)
        with (
            attached(listener, spec, storage_url, outlets) as listener,
            _opened(spec, storage_url, baseline_device, listener, preset, share) as study,
        ):
            study_id = read_study_id(spec.name, study.storage)
            study.storage.set_study_system_attr(study_id, DETACHED, detach)
            if detach:
                notifier(listener)(_describe_detached(spec, storage_url))
                return spec.name
            try:
                reason = _run_trials(study, job, workers, allocation, listener, interrupts)
            except Exception as error:
                listener(StudyEnded(_describe_failure(error, storage_url), failed=True))
                raise
            listener(StudyEnded(interrupts.cause or reason))
    interrupts.leave()
    return spec.name


def _run_trials(
    study: OpenStudy,
    job: Job,
    workers: int | None,
    allocation: Allocation | None,
    listener: Listener,
    interrupts: Interrupts,
) -> str | None:
    """Run the study's trials on this machine, or on the cluster that has been allocated.

    Returns:
        Why they ended before the total, or why there were none to run; None otherwise.
    """
    reason = None
    with interrupts.caught():
        if allocation:
            reason = run_on_cluster(study, job, allocation, listener, interrupts)
        else:
            reason = run_locally(study, job, workers, listener, interrupts)
        if reason is None and study.is_done:
            reason = _describe_total(study, job.url)
        if reason and not interrupts.received:  # which the listener knows
            notifier(listener)(reason)
    return reason


def _check_options(cluster: str | None, gpus_per_trial: float | None, *, detach: bool) -> None:
    """Refuse options that would have no effect.

    Raises:
        OptionError: there is one.
    """
    if gpus_per_trial is not None and not cluster:
        raise OptionError(
            f"--gpus-per-trial {gpus_per_trial:g} has no effect without --cluster; add --cluster "
            "auto, or leave it out"
        )
    if cluster and detach:
        raise OptionError(
            f"--cluster {cluster} has no effect with --detach, which runs no trials; leave one out"
        )


@contextmanager
def _opened(
    spec: StudySpec,
    storage_url: str,
    device: str,
    listener: Listener,
    preset: Preset | None,
    share: float,
) -> Iterator[OpenStudy]:
    """Read the ratings, and open the study in its storage, or create it there.

    Args:
        share: of the memory of the preset's GPU that a trial may use.
    """
    ratings = load_ratings(spec.dataset, options=spec.read_options)
    split = open_split(ratings, spec.split)
    spec, fit, fitted = _fitted(spec, preset, data_sizes(split.train), share, storage_url)
    in_stars, spec = spec, target_in_ratings(spec, ratings.scale)
    baseline = check_target(spec, split, storage_url)
    with writable_storage(storage_url) as storage:
        study = open_study(spec, ratings.fingerprint, storage, fit)
        storage.set_study_system_attr(study._study_id, STAR, ratings.scale.star)
        earlier = learn_from_earlier(spec, study, storage)
        if baseline is not None:
            study.set_user_attr("bias_val_rmse", baseline)
        trials = study.get_trials(deepcopy=False)
        n_done = count_trials(trials)
        asked, spec = spec.trials, with_done(spec, n_done)
        total = study_total(spec, trials)
        metric = find_metric(spec.objective.metric)
        progress = StudyProgress.of(trials, metric, study.user_attrs.get("bias_val_rmse"))
        listener(StudyStarted(spec.model_copy(update={"trials": total}), n_done, progress))
        in_scale = describe_scale(in_stars, spec, ratings.scale)
        plan = (
            *describe_grid(spec, trials),
            *describe_merged(spec, len(split.train)),
            *earlier,
            *describe_finish(spec, n_done, ratings.scale.star),
        )
        for note in (*split.notes, *in_scale, *fitted, *plan):
            notifier(listener)(note)
        yield OpenStudy(spec, split, storage, n_done, asked)


def _fitted(
    spec: StudySpec, preset: Preset | None, sizes: DataSizes, share: float, storage_url: str
) -> tuple[StudySpec, Fit | None, list[str]]:
    """The study as it fits a preset, what has been decided, and a sentence about it."""
    if preset is None:
        return spec, None, []
    if is_stored(spec.name, storage_url):
        fit = fit_stored(spec, read_fit(spec.name, storage_url), preset, sizes, share)
        return spec, fit, [describe_fit(spec, spec, fit, preset)]
    fit = fit_new(spec, preset, sizes, share)
    fitted = restricted(spec, fit)
    return fitted, fit, [describe_fit(spec, fitted, fit, preset)]


def _describe_failure(error: Exception, storage_url: str) -> str:
    """The error that ends a study, as the command will show it."""
    if failure := storage_error(storage_url, error, writing=True):
        return str(failure)
    return str(error) if isinstance(error, RecsysSearchError) else format_error(error)


def _describe_total(study: OpenStudy, storage_url: str) -> str:
    """Why a start had nothing to do, and how to get more trials."""
    name, n_done = study.spec.name, study.n_done
    options = ("--study", name, *storage_and_artifacts(storage_url), "--trials", n_done + 10)
    done = f"all {n_done} trials of {name} are done"
    if n_done > study.asked:
        done = f"{n_done} trials of {name} are done, more than the total of {study.asked}"
    return f"{done}; for more: {example('start', *options)}"


def _describe_detached(spec: StudySpec, storage_url: str) -> str:
    """How to run a study that waits for workers."""
    worker = example("worker", "--study", spec.name, *storage_and_artifacts(storage_url))
    return f"study {spec.name} waits for workers; on any machine: {worker}"
