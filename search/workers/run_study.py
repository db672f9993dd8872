"""Runs a study trial by trial until it reaches its total, target, budget or timeout."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from ...base.interrupts import Interrupts
from ...data.sets.loading import load_ratings
from ...data.splits.split import split_ratings
from ...errors import StudyError
from ...model.evaluation.metrics import METRICS
from ...model.training.device import resolve_device
from ..definition.durations import parse_duration
from ..definition.study_file import StudySpec
from ..running.checkpoint_folders import tidy_checkpoints
from ..running.events import Listener, StudyStarted, TrialEnded, broadcast, ignore, notifier
from ..running.objective import FailedTrial, InterruptedTrial, Objective
from ..running.opening import Overrides, open_study, resolve_spec, with_done
from ..running.study_progress import spending, target_reached
from ..running.targets import check_target, describe_scale, target_in_ratings
from ..storage.access import check_can_write
from ..storage.artifacts import artifact_store, checkpoint_folder
from ..storage.database import writable_storage
from ..storage.examples import DEFAULT_STORAGE, example, storage_option
from ..storage.failures import STORAGE_FAILURES
from ..storage.locks import sole_runner
from ..storage.trials import best_trials, count_trials, trial_record
from .patience import StoragePatience
from .queue import recover_queue, requeue

MAX_FAILURES_IN_A_ROW = 3


def run_study(
    name_or_path: str,
    storage_url: str = DEFAULT_STORAGE,
    *,
    overrides: Overrides | None = None,
    timeout: str | None = None,
    storage_patience: str | None = None,
    device: str = "auto",
    listener: Listener = ignore,
) -> str:
    """Run a study, or continue it, until it is done, out of time, or interrupted.

    The first Ctrl-C, SIGTERM, SIGUSR1 or SIGHUP ends the running trial after its batch, with a
    checkpoint; the second one ends it at once. Either way the trial is queued again, and the next
    call goes on from its last checkpoint.

    Args:
        timeout: of this call, such as `2h`. [default: the study file's]
        storage_patience: how long to wait for the storage each time that it fails, such as `10m`.
            The running trial then goes on from a checkpoint. [default: not at all]
        listener: receives each event of `events`; an exception in it becomes a warning.

    Returns:
        The study's name.

    Raises:
        StudyError: no such study, it exists with other settings or is already running, or trials
            keep failing.
        StorageError: the storage cannot be opened, or failed; the next call continues the study.
        OutputError: a folder is not writable.
        ConfigError: the study file, an override, the device or the timeout is invalid, or the bias
            baseline meets the target.
        DataError: the ratings cannot be read.
        KeyboardInterrupt: on Ctrl-C, once everything is saved.
        SystemExit: 143 on SIGTERM, 138 on SIGUSR1, 129 on SIGHUP, likewise.
    """
    started_at = monotonic()
    resolve_device(device)  # refuse a wrong device before anything is created
    listener = broadcast(listener)  # its errors must not end a trial
    notify = notifier(listener)
    interrupts = Interrupts(notify)
    patience = StoragePatience(storage_patience, interrupts, notify)
    check_can_write(storage_url)
    spec = resolve_spec(name_or_path, storage_url, overrides or Overrides())
    timeout = timeout or spec.timeout
    deadline = None if timeout is None else started_at + parse_duration(timeout)

    def should_stop() -> str | None:
        if interrupts.cause:
            return interrupts.cause
        if deadline is not None and monotonic() >= deadline:
            return f"out of time ({timeout})"
        return None

    ratings = load_ratings(spec.dataset, options=spec.read_options)
    split = split_ratings(ratings, spec.split)
    in_stars, spec = spec, target_in_ratings(spec, ratings.scale)
    baseline = check_target(spec, split, storage_url, device)
    with (
        sole_runner(storage_url, spec.name),
        writable_storage(storage_url, on_stale=requeue) as storage,
    ):
        study = open_study(spec, ratings.fingerprint, storage)
        if baseline is not None:
            study.set_user_attr("bias_val_rmse", baseline)
        recover_queue(study, storage, spec)
        tidy_checkpoints(study, spec, checkpoint_folder(storage_url), notify)
        objective = Objective(
            spec,
            split,
            storage,
            artifact_store(storage_url, make=True),
            checkpoint_folder(storage_url),
            device=device,
            listener=listener,
            should_stop=should_stop,
        )
        trials = study.get_trials(deepcopy=False)
        n_done = count_trials(trials)
        listener(StudyStarted(with_done(spec, n_done), n_done))
        for note in (*split.notes, *describe_scale(in_stars, spec, ratings.scale)):
            notify(note)
        for trial in trials:
            earlier = trial.user_attrs.get("retry_of")
            if trial.state == TrialState.WAITING and earlier is not None:
                notify(f"trial {earlier} is tried again as trial {trial.number}")
        with interrupts.caught():
            reason = _run_patiently(
                partial(_run_trials, study, spec, objective, listener, should_stop, storage),
                patience,
                recover=partial(recover_queue, study, storage, spec),
            )
            if reason is None and n_done >= spec.trials:
                reason = _describe_total(spec, n_done, storage_url)
            if reason and not interrupts.received:  # which the listener knows
                notify(reason)
    interrupts.leave()
    return spec.name


def _run_patiently(
    run: Callable[[], str | None], patience: StoragePatience, recover: Callable[[], None]
) -> str | None:
    """Run trials, and again each time that the storage works again after it failed.

    Args:
        recover: uses the storage, and cleans up after a trial.
    """
    while True:
        try:
            return run()
        except STORAGE_FAILURES as error:
            if not patience.wait(error, recover):
                raise


def _describe_total(spec: StudySpec, n_done: int, storage_url: str) -> str:
    """Why a start had nothing to do, and how to get more trials."""
    options = ("--study", spec.name, *storage_option(storage_url), "--trials", n_done + 10)
    done = f"all {n_done} trials of {spec.name} are done"
    if n_done > spec.trials:
        done = f"{n_done} trials of {spec.name} are done, more than the total of {spec.trials}"
    return f"{done}; for more: {example('start', *options)}"


def _run_trials(
    study: optuna.Study,
    spec: StudySpec,
    objective: Objective,
    listener: Listener,
    should_stop: Callable[[], str | None],
    storage: RDBStorage,
) -> str | None:
    """Run trials until the study ends; return the reason, or None if it reached its total."""
    metric = METRICS[spec.objective.metric]

    def announce(study: optuna.Study, trial: FrozenTrial) -> None:
        ranked = best_trials(study.get_trials(deepcopy=False), metric)
        best = trial_record(ranked[0], metric) if ranked else None
        listener(TrialEnded(trial_record(trial, metric), best, metric))

    failures: list[str] = []
    while not (reason := should_stop()):
        if len(failures) >= MAX_FAILURES_IN_A_ROW:
            raise StudyError(
                f"the last {len(failures)} trials of {spec.name} failed, the latest with "
                f"{failures[-1]}; fix the cause, then run start again"
            )
        trials = study.get_trials(deepcopy=False)
        if target_reached(spec.objective.target, trials):
            return "the target is reached"
        if count_trials(trials) >= spec.trials:
            return None
        if spec.budget and (exhausted := spec.budget.exhausted(spending(trials))):
            return exhausted
        try:
            study.optimize(
                objective, n_trials=1, catch=(FailedTrial, InterruptedTrial), callbacks=[announce]
            )
        finally:
            recover_queue(study, storage, spec)
            tidy_checkpoints(study, spec, objective.checkpoints, notifier(listener))
        failures = [*failures, objective.error] if objective.error else []
    return reason
