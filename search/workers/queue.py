"""Which trial a process runs next: interrupted ones first, then queued ones, then a new one.

A study's total counts trials that have ended. A trial that runs holds one of the places that are
left, so that any number of processes end with exactly the total.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from ..definition.grid import Point
from ..definition.space import field_of
from ..definition.study_file import StudySpec, spec_from_json
from ..running.endings import is_frozen
from ..running.second_chances import CONTINGENCIES, SecondChance, second_chance
from ..samplers.grid import Grid
from ..storage.claims import StudyTransaction, study_transaction
from ..storage.studies import SPEC, STOPPED
from ..storage.trials import (
    ALONE_ON_GPU,
    CONFIG,
    CONTINUES,
    INTERRUPTED,
    OUT_OF_MEMORY,
    WORKER_DIED,
    is_counted,
    is_repeated,
)

# Attributes of a queued trial that it keeps when it is queued again.
_KEPT = (
    *("known_config", "fixed", "contingency_of", "after_out_of_memory", "second_chance"),
    ALONE_ON_GPU,
    CONTINUES,
)

# A trial whose process is killed this often in one and the same epoch has failed.
MAX_KILLS = 5


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A trial that this process is to run.

    Attributes:
        spec: the study as it is now: another process may have changed its total.
        retry_of: the interrupted trial that this one goes on from; None if there is none.
        continues: the stopped trial that this one goes on from; None if there is none.
    """

    trial_id: int
    number: int
    spec: StudySpec
    retry_of: int | None
    continues: int | None


@dataclass(frozen=True, kw_only=True)
class NothingToRun:
    """Why there is no trial to claim.

    Attributes:
        n_done: trials that count towards the total.
        n_running: trials that other processes run.
        is_stopped: whether `stop` has been asked for.
        tried_grid: the number of points of the study's grid if all have been claimed, else None.
    """

    spec: StudySpec
    n_done: int
    n_running: int
    is_stopped: bool
    tried_grid: int | None = None

    @property
    def is_final(self) -> bool:
        """Whether waiting for the trials of other processes is of no use."""
        is_tried = self.tried_grid is not None and not self.n_running
        return self.is_stopped or self.n_done >= self.spec.trials or is_tried


def next_trial(
    storage: RDBStorage, study_id: int, worker: Mapping[str, Any], thaw: int | None = None
) -> Claim | NothingToRun:
    """Clean up after processes that have died, and claim the next trial, in one transaction.

    Args:
        worker: the identity of who is to run it.
        thaw: number of a stopped trial to go on with rather than with a new one, if nothing is
            queued and no other process goes on with it.

    Raises:
        StudyError: the study has been deleted.
    """
    with study_transaction(storage, study_id) as transaction:
        spec = _recover(transaction)
        if nothing := _nothing_to_run(transaction, spec):
            return nothing
        waiting = _first(transaction.trials(TrialState.WAITING))
        if waiting is None and thaw is not None:
            waiting = _queue_thawed(transaction, thaw)
        grid = None if waiting else _grid_of(transaction, spec)
        point = next(_untried(transaction, grid)) if grid else None
        trial_id, number = transaction.claim(waiting, worker, point)
        attrs = waiting.user_attrs if waiting else {}
        return Claim(
            trial_id=trial_id,
            number=number,
            spec=spec,
            retry_of=attrs.get("retry_of"),
            continues=attrs.get(CONTINUES),
        )


def has_trials(transaction: StudyTransaction) -> bool:
    """Whether there is a trial to claim; cleans up like `next_trial`."""
    spec = _recover(transaction)
    return _nothing_to_run(transaction, spec) is None


def recover(storage: RDBStorage, study_id: int, ended_runs: Collection[str] = ()) -> None:
    """Only clean up: end the trials of dead processes, and queue again what was interrupted.

    Args:
        ended_runs: runs that have ended, on machines where their processes cannot be looked up.
    """
    with study_transaction(storage, study_id) as transaction:
        _recover(transaction, ended_runs)


def _nothing_to_run(transaction: StudyTransaction, spec: StudySpec) -> NothingToRun | None:
    """Why no trial can be claimed; None if one can."""
    # Running ones first: a trial that ends in between is counted twice, and not left out.
    running = transaction.count(TrialState.RUNNING)
    failed = transaction.trials(TrialState.FAIL)
    ended = transaction.count(TrialState.COMPLETE, TrialState.PRUNED)
    continued = set(transaction.user_attrs(CONTINUES).values())
    n_done = ended + sum(map(is_counted, failed)) - len(continued)
    is_stopped = transaction.study_attr(STOPPED) is not None
    tried_grid = None
    if not is_stopped and n_done + running < spec.trials:
        grid = _grid_of(transaction, spec)
        if grid is None or transaction.count(TrialState.WAITING):
            return None
        if next(_untried(transaction, grid), None) is not None:
            return None
        tried_grid = len(grid)
    return NothingToRun(
        spec=spec,
        n_done=n_done,
        n_running=running,
        is_stopped=is_stopped,
        tried_grid=tried_grid,
    )


def _grid_of(transaction: StudyTransaction, spec: StudySpec) -> Grid | None:
    """The study's grid; None if its sampler is another."""
    return None if spec.sampler.grid is None else _parse_grid(transaction.study_attr(SPEC))


def _untried(transaction: StudyTransaction, grid: Grid) -> Iterator[Point]:
    """The points of the grid that no trial has, running and queued ones included."""
    changed = {number for number, fixed in transaction.user_attrs("fixed").items() if fixed}
    params = transaction.fixed_params()
    return grid.untried(params[number] for number in params.keys() - changed)


def _first(waiting: list[FrozenTrial]) -> FrozenTrial | None:
    """The queued trial to run first: one that was interrupted, then by number."""
    return min(
        waiting, key=lambda trial: ("retry_of" not in trial.user_attrs, trial.number), default=None
    )


@lru_cache(maxsize=8)
def _parse_spec(text: str) -> StudySpec:
    return spec_from_json(text)


@lru_cache(maxsize=2)  # each may have 100,000 points
def _parse_grid(text: str) -> Grid:
    return Grid(_parse_spec(text))


def _recover(transaction: StudyTransaction, ended_runs: Collection[str] = ()) -> StudySpec:
    """End the trials of dead processes, and queue again what was interrupted; returns the study."""
    spec = _parse_spec(transaction.study_attr(SPEC))
    for trial in transaction.dead_trials(ended_runs):
        transaction.fail(trial, _why_it_ended(transaction, trial))
    retries = transaction.user_attrs("retry_of")
    contingencies = transaction.user_attrs("contingency_of")
    followed = {*retries.values(), *contingencies.values()}
    ended = transaction.trials(TrialState.FAIL)
    if spec.contingency:
        stop_reasons = transaction.user_attrs("stop_reason")
        candidates = {n for n, why in stop_reasons.items() if why in CONTINGENCIES}
        # A second chance has none of its own, nor has a trial that goes on from another.
        candidates -= {*followed, *contingencies, *transaction.user_attrs(CONTINUES)}
        ended += transaction.trials(TrialState.PRUNED, numbers=candidates)
    for trial in sorted(ended, key=lambda trial: trial.number):
        if trial.number in followed:
            continue
        if chance := second_chance(trial, spec.space, spec.contingency):
            _queue_second_chance(transaction, trial, chance, spec)
        elif is_repeated(trial):
            _requeue(transaction, trial)
    return spec


def _why_it_ended(transaction: StudyTransaction, trial: FrozenTrial) -> dict[str, Any]:
    """The attributes of a trial whose process has died: it is tried again, unless in vain."""
    failed = {each.number: each for each in transaction.trials(TrialState.FAIL)}
    attempts = [trial]
    while (earlier := failed.get(attempts[-1].user_attrs.get("retry_of", -1))) is not None:
        attempts.append(earlier)
    latest = attempts[:MAX_KILLS]
    epochs = [len(attempt.intermediate_values) for attempt in latest]
    if (
        len(latest) == MAX_KILLS
        and all(each.user_attrs.get("reason") == WORKER_DIED for each in latest[1:])
        and max(epochs) <= epochs[-1]
    ):
        reason = (
            f"its process was killed {MAX_KILLS} times in epoch {max(epochs) + 1}, perhaps by the "
            "system for its memory; see the system's log"
        )
        return {"reason": reason}
    return {"stop_reason": INTERRUPTED, "reason": WORKER_DIED}


def _requeue(transaction: StudyTransaction, trial: FrozenTrial) -> None:
    """Queue the trial's parameters again, as a new trial whose `retry_of` is its number."""
    # Queued parameters that the trial had not drawn yet are only in this attribute of Optuna's.
    params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    transaction.queue(params, {**_kept_attrs(trial), "retry_of": trial.number})


def _queue_thawed(transaction: StudyTransaction, number: int) -> FrozenTrial | None:
    """Queue a trial that goes on from a stopped one; None if it cannot, or another one does."""
    if number in transaction.user_attrs(CONTINUES).values():
        return None
    for trial in transaction.trials(TrialState.PRUNED, numbers=[number]):
        if is_frozen(trial.state, trial.user_attrs.get("stop_reason")):
            transaction.queue(trial.params, {**_kept_attrs(trial), CONTINUES: number})
            return _first(transaction.trials(TrialState.WAITING))
    return None


def _queue_second_chance(
    transaction: StudyTransaction, trial: FrozenTrial, chance: SecondChance, spec: StudySpec
) -> None:
    """Queue the trial's config with the changes; fields without an axis are fixed."""
    params = spec.space.params_of({**trial.system_attrs[CONFIG], **chance.changes})
    drawn = {field_of(name) for name in params}
    fixed = {**trial.user_attrs.get("fixed", {}), **chance.changes}
    attrs: dict[str, Any] = {
        **_kept_attrs(trial),
        "fixed": {field: value for field, value in fixed.items() if field not in drawn},
        "second_chance": f"{chance.change}, because trial {trial.number} {chance.cause}",
    }
    # After out-of-memory it is the same trial again; otherwise it is another trial, which counts.
    if trial.user_attrs["stop_reason"] == OUT_OF_MEMORY:
        attrs["retry_of"] = trial.number
        attrs["after_out_of_memory" if chance.changes else ALONE_ON_GPU] = True
    else:
        attrs["contingency_of"] = trial.number
    transaction.queue(params, attrs)


def _kept_attrs(trial: FrozenTrial) -> dict[str, Any]:
    return {name: trial.user_attrs[name] for name in _KEPT if name in trial.user_attrs}
