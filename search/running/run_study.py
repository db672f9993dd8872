"""Runs a study trial by trial until its total, its target, or the end of its time."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from ...base.interrupts import Interrupts
from ...data.sets.datasets import load_ratings
from ...data.splits.split import split_ratings
from ...errors import StudyError
from ...model.training.device import resolve_device
from ..definition.study_file import StudySpec, parse_duration
from ..storage.artifacts import artifact_store
from ..storage.engines import writable_storage
from ..storage.locks import sole_runner
from ..storage.trials import best_trials, counts, record_of
from .events import Silent, Watcher
from .objective import Objective
from .opening import Overrides, find_spec, open_study
from .queueing import reconcile, requeue
from .study_progress import spending, target_reached

MAX_FAILURES_IN_A_ROW = 3


def start(
    name_or_path: str,
    storage_url: str,
    *,
    overrides: Overrides | None = None,
    timeout: str | None = None,
    device: str = "auto",
    watcher: Watcher | None = None,
) -> str:
    """Begins a study or carries on with it, until it is done, out of time, or interrupted.

    The first Ctrl-C or SIGTERM ends the running trial after its epoch, the second at once. Either
    way the trial is queued again, and the next `start` carries on.

    Args:
        timeout: of this start, such as `2h`; by default the study file's.

    Returns:
        The study's name.

    Raises:
        StudyError: a study of that name is there with other settings, or trials keep failing.
        KeyboardInterrupt: on Ctrl-C, when everything is saved.
        SystemExit: 143 on SIGTERM, likewise.
    """
    started_at = monotonic()
    watcher = watcher or Silent()
    resolve_device(device)  # refuse a wrong one before anything is made
    interrupts = Interrupts(watcher.tell)
    spec = find_spec(name_or_path, storage_url, overrides or Overrides())
    timeout = timeout or spec.timeout
    deadline = None if timeout is None else started_at + parse_duration(timeout)
    ratings = load_ratings(spec.dataset)
    split = split_ratings(ratings, spec.split)
    with (
        sole_runner(storage_url, spec.name),
        writable_storage(storage_url, on_stale=requeue) as storage,
    ):
        study = open_study(spec, ratings.fingerprint, storage)
        reconcile(study, storage, spec)

        def stop() -> str | None:
            if interrupts.received:
                return interrupts.received
            if deadline is not None and monotonic() >= deadline:
                return f"out of time ({timeout})"
            return None

        objective = Objective(
            spec,
            split,
            storage,
            artifact_store(storage_url, make=True),
            device=device,
            watcher=watcher,
            stop=stop,
        )
        watcher.study_begins(spec, sum(map(counts, study.get_trials(deepcopy=False))))
        if split.note:
            watcher.tell(split.note)
        for trial in study.get_trials(deepcopy=False, states=[TrialState.WAITING]):
            if (before := trial.user_attrs.get("retry_of")) is not None:
                watcher.tell(f"trial {before} is tried again as trial {trial.number}")
        with interrupts.caught():
            _run_trials(study, spec, objective, watcher, stop, storage)
    interrupts.leave()
    return spec.name


def _run_trials(
    study: optuna.Study,
    spec: StudySpec,
    objective: Objective,
    watcher: Watcher,
    stop: Callable[[], str | None],
    storage: RDBStorage,
) -> None:
    def after_trial(study: optuna.Study, trial: FrozenTrial) -> None:
        ahead = best_trials(study.get_trials(deepcopy=False))
        watcher.trial_ends(record_of(trial), record_of(ahead[0]) if ahead else None)

    failures: list[str] = []
    while not (why := stop()):
        if len(failures) >= MAX_FAILURES_IN_A_ROW:
            raise StudyError(
                f"the last {len(failures)} trials of {spec.name} failed, the last one with "
                f"{failures[-1]}; mend the cause and start again"
            )
        trials = study.get_trials(deepcopy=False)
        if target_reached(spec.objective.target, trials):
            watcher.tell("the target is reached")
            return
        if sum(map(counts, trials)) >= spec.trials:
            return
        if spec.budget and (spent := spec.budget.exhausted(spending(trials))):
            watcher.tell(spent)
            return
        try:
            study.optimize(objective, n_trials=1, catch=(Exception,), callbacks=[after_trial])
        finally:
            reconcile(study, storage, spec)
        failures = [*failures, objective.error] if objective.error else []
    watcher.tell(why)
