"""What a trial leaves in the storage, and how trials are counted and ranked.

Scalars that people read are user attributes, which the dashboard shows. What only this program
reads is a system attribute. Epoch reports are an artifact.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from copy import copy
from datetime import datetime
from typing import Any

from optuna import Study
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from sqlalchemy.orm import Session

from ...errors import StudyError
from ...model.evaluation.metrics import VAL_RMSE, Metric
from ...model.training.reports import EpochReport
from .worker import has_ended, silent_trials

CONFIG = "recsys_search:config"
WORKER = "recsys_search:worker"
ENVIRONMENT = "recsys_search:environment"
LAST_EPOCH = "recsys_search:last_epoch"  # when it ended, in ISO 8601, and what it measured
EPOCH_AT = "recsys_search:epoch_at"  # when it ended, as earlier versions stored it
SAME_AS = "same_as"
GPU_MEMORY = "gpu_memory_mib"  # what torch's allocator held at most, if the trial shared a GPU
GPU_NEIGHBOURS = "gpu_neighbours"  # trials on the same GPU when this one ran out of memory
ALONE_ON_GPU = "alone_on_gpu"  # True: the trial must not share its GPU
CONTINUES = "continues"  # number of the stopped trial that this one goes on from
INTERRUPTED = "interrupted"
REMOVED = "removed"
OUT_OF_MEMORY = "out-of-memory"
# Figures of the last epoch for a live view: the trial's reports are stored only when it ends.
WATCHED = ("epoch_s", "ratings_per_s", "gpu_utilisation", "gpu_memory_share")
WORKER_DIED = (
    "its process ended before its result was stored: it was killed, the machine went down, or the "
    "storage failed"
)
RUN_AGAIN = "it waits to be resumed"

STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


def read_trials(study: Study, storage: RDBStorage) -> list[FrozenTrial]:
    """The study's trials by number; the dead ones as interrupted.

    Nothing is written: the next process that claims a trial ends them so.
    """
    trials = study.get_trials(deepcopy=False)
    if not any(trial.state == TrialState.RUNNING for trial in trials):
        return trials
    with Session(storage.engine) as session:
        silent = silent_trials(session, study._study_id)
    return [_as_interrupted(trial) if is_dead(trial, silent) else trial for trial in trials]


def is_dead(trial: FrozenTrial, silent: Collection[int]) -> bool:
    """Whether the trial is running, but its process has ended or been silent for too long.

    Args:
        silent: as `silent_trials` returns them; all that is known of other machines.
    """
    if trial.state != TrialState.RUNNING:
        return False
    worker = trial.system_attrs.get(WORKER)
    # None: of a version that stored it late, and whose processes have all ended.
    return trial.number in silent or worker is None or has_ended(worker)


def _as_interrupted(trial: FrozenTrial) -> FrozenTrial:
    ended = copy(trial)
    ended.state = TrialState.FAIL
    ended.user_attrs = {**trial.user_attrs, "stop_reason": INTERRUPTED, "reason": WORKER_DIED}
    return ended


def record_epoch(trial: Trial, report: EpochReport, storage: BaseStorage) -> None:
    """Store when the trial's last epoch ended, and its figures in `WATCHED`."""
    figures = {name: getattr(report, name) for name in WATCHED}
    last = {"at": datetime.now().isoformat(), **figures}
    storage.set_trial_system_attr(trial._trial_id, LAST_EPOCH, last)


def last_epoch_at(trial: FrozenTrial) -> datetime | None:
    """When the trial's last epoch ended; None before its first."""
    attrs = trial.system_attrs
    at = attrs[LAST_EPOCH]["at"] if LAST_EPOCH in attrs else attrs.get(EPOCH_AT)
    return datetime.fromisoformat(at) if at else None


def trial_record(trial: FrozenTrial, metric: Metric = VAL_RMSE) -> dict[str, Any]:
    """One trial as `trials --json` prints it; `value` is that of the study's metric."""
    attrs = trial.user_attrs
    died = worker_died(trial)
    stop_reason = INTERRUPTED if died else attrs.get("stop_reason")
    reason = WORKER_DIED if died else attrs.get("reason")
    best_so_far = metric.best(trial.intermediate_values.values())
    return {
        "number": trial.number,
        "state": _state(trial, stop_reason),
        "val_rmse": attrs.get("val_rmse", best_so_far if metric is VAL_RMSE else None),
        "val_mse": attrs.get("val_mse"),
        "epochs": attrs.get("epochs", len(trial.intermediate_values)),
        "best_epoch": attrs.get("best_epoch"),
        "architecture": attrs.get("architecture", trial.params.get("architecture")),
        "config": trial.system_attrs.get(CONFIG),
        "params": attrs.get("params"),
        "stop_reason": stop_reason,
        "reason": reason,
        "brief": "its process died" if died else attrs.get("brief") or _brief(trial, reason),
        "warning": attrs.get("warning"),
        "train_s": attrs.get("train_s"),
        "known_config": attrs.get("known_config"),
        "retry_of": attrs.get("retry_of"),
        "continues": attrs.get(CONTINUES),
        "contingency_of": attrs.get("contingency_of"),
        "second_chance": attrs.get("second_chance"),
        "same_as": attrs.get(SAME_AS),
        "resumed_from_epoch": attrs.get("resumed_from_epoch"),
        "metric": metric.name,
        "value": attrs.get(metric.name, best_so_far),
        "parts": {name: attrs.get(name) for name in metric.parts},
    }


def trial_records(trials: Sequence[FrozenTrial], metric: Metric = VAL_RMSE) -> list[dict[str, Any]]:
    """The records of all trials of a study; a reason adds which trial goes on from it, if any."""
    records = [trial_record(trial, metric) for trial in trials]
    for number in _lost(trials):
        records[number]["reason"] += f"; {RUN_AGAIN}"
    for number, later in continued_by(trials).items():
        records[number]["reason"] += f"; trial {later} continues it"
    return records


def _brief(trial: FrozenTrial, reason: str | None) -> str | None:
    """A few words for the end of a trial that stored none."""
    if stop_reason := trial.user_attrs.get("stop_reason"):
        return str(stop_reason).replace("-", " ")
    if reason is None:
        return None
    if (same_as := trial.user_attrs.get(SAME_AS)) is not None:
        return f"same as trial {same_as}"
    if trial.state == TrialState.FAIL:
        return reason.split(":")[0]  # the error's class
    return f"all {len(trial.intermediate_values)} epochs"


def trial_state(trial: FrozenTrial) -> str:
    """A name in `STATES`, or `interrupted` or `removed`, for which Optuna has another state."""
    return _state(trial, INTERRUPTED if worker_died(trial) else trial.user_attrs.get("stop_reason"))


def _state(trial: FrozenTrial, stop_reason: str | None) -> str:
    # A trial that still runs may be storing how it ends.
    if trial.state.is_finished() and stop_reason in (INTERRUPTED, REMOVED):
        return stop_reason
    return STATES[trial.state]


def worker_died(trial: FrozenTrial) -> bool:
    """Whether the trial was ended because its process had died."""
    # Optuna's heartbeat fails a stale trial without a reason; this program always records one.
    reason = trial.user_attrs.get("reason", WORKER_DIED)
    return trial.state == TrialState.FAIL and reason == WORKER_DIED


def describe_lost(trials: Iterable[FrozenTrial]) -> str | None:
    """Which interrupted trials are not queued again yet; None if there are none."""
    if not (lost := sorted(_lost(trials))):
        return None
    return f"trial {', '.join(map(str, lost))} was interrupted; {RUN_AGAIN}"


def _lost(trials: Iterable[FrozenTrial]) -> set[int]:
    """Numbers of the interrupted trials that only the next start will queue again."""
    trials = list(trials)
    queued = {trial.user_attrs.get("retry_of") for trial in trials}
    return {trial.number for trial in trials if trial_state(trial) == INTERRUPTED} - queued


def is_counted(trial: FrozenTrial) -> bool:
    """Whether the trial counts towards the study's total: it ended, and no retry replaces it."""
    if not trial.state.is_finished() or trial_state(trial) in (INTERRUPTED, REMOVED):
        return False
    return trial.state != TrialState.FAIL or trial.user_attrs.get("stop_reason") != OUT_OF_MEMORY


def is_removed(trial: FrozenTrial) -> bool:
    """Whether `trials rm` has removed the trial; its row stays, because later ones count it."""
    return trial.user_attrs.get("stop_reason") == REMOVED


def is_repeated(trial: FrozenTrial) -> bool:
    """Whether a trial that has ended is to be run again: it does not count, and is not removed."""
    return not is_counted(trial) and not is_removed(trial)


def find_trial(trials: Sequence[FrozenTrial], number: int, study: str) -> FrozenTrial:
    """The trial of this number.

    Raises:
        StudyError: the study has none.
    """
    if not 0 <= number < len(trials):
        raise StudyError(
            f"no trial {number} in {study}; it has trials 0 to {len(trials) - 1}"
            if trials
            else f"{study} has no trials yet"
        )
    return trials[number]


def first_attempt(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> FrozenTrial:
    """The trial that this one goes on from, through all attempts in between; else the trial itself.

    Args:
        trials: of the study, by number.
    """
    while (earlier := earlier_attempt(trial)) is not None:
        trial = trials[earlier]
    return trial


def epochs_when_stopped(trial: Trial) -> int:
    """Epochs of the stopped trial that this one continues; 0 if it continues none."""
    number = trial.user_attrs.get(CONTINUES)
    if number is None:
        return 0
    return int(trial.study.get_trials(deepcopy=False)[number].user_attrs["epochs"])


def earlier_attempt(trial: FrozenTrial | Trial) -> int | None:
    """Number of the trial that this one tries again or continues; None if it is the first."""
    earlier: int | None = trial.user_attrs.get("retry_of", trial.user_attrs.get(CONTINUES))
    return earlier


def continued_by(trials: Iterable[FrozenTrial]) -> dict[int, int]:
    """The stopped trials that others continue: number -> that of the first trial that does.

    A trial that was interrupted and is run again continues the same one.
    """
    found: dict[int, int] = {}
    for trial in trials:
        if (earlier := trial.user_attrs.get(CONTINUES)) is not None:
            found.setdefault(earlier, trial.number)
    return found


def count_trials(trials: Iterable[FrozenTrial]) -> int:
    """How many of the trials count towards the study's total; a continued one counts once."""
    trials = list(trials)
    return sum(map(is_counted, trials)) - len(continued_by(trials))


def best_trials(trials: Iterable[FrozenTrial], metric: Metric = VAL_RMSE) -> list[FrozenTrial]:
    """The completed trials, without those that reuse another's result, best value first."""

    def rank(trial: FrozenTrial) -> tuple[float, int]:
        assert trial.value is not None
        return metric.cost(trial.value), trial.number

    return sorted(filter(is_trained_complete, trials), key=rank)


def is_trained_complete(trial: FrozenTrial) -> bool:
    """Whether the trial completed by training, not by reusing an earlier trial's result."""
    return trial.state == TrialState.COMPLETE and SAME_AS not in trial.user_attrs


RECORD_KEYS = tuple(trial_record(create_trial(state=TrialState.WAITING)))
"""The keys of a record, in order."""
