"""What a study's trials say about the axes of one architecture: the view that a sampler models."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Sequence
from copy import copy, deepcopy
from math import isfinite

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ..pruners.rule import Kind
from ..pruners.table import kind_of


class View(Study):
    """A study of which only some trials are seen; what is written goes to the study itself."""

    def __init__(self, study: Study, trials: Sequence[FrozenTrial]) -> None:
        self.__dict__.update(study.__dict__)  # `Study.__init__` would query the storage again
        self._seen = list(trials)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        seen = [trial for trial in self._seen if states is None or trial.state in states]
        return _deepcopy(seen) if deepcopy else seen


def of_architecture(
    study: Study, trial: FrozenTrial, architecture: str | None, axes: Collection[str]
) -> View:
    """The other trials of an architecture that have all of its axes, as they ended.

    Running ones are included whatever they have: Optuna's samplers find out themselves.

    Args:
        architecture: None for all trials, if the study has only one.
    """
    return View(
        study,
        [
            each
            for each in study._get_trials(deepcopy=False, use_cache=False)
            if each.number != trial.number
            and (architecture is None or each.params.get("architecture") == architecture)
            and (each.state == TrialState.RUNNING or each.params.keys() >= set(axes))
        ],
    )


def with_values(view: View) -> View:
    """The same trials, with a value for each pruned one, and without constraints.

    GP and CMA-ES read completed trials alone, so a study whose trials are mostly pruned would
    teach them little. Here a trial that a pruner stopped although its training was sound counts
    with its best value so far. The others (sick, out of memory, beyond the limits, or breaking a
    constraint) count with the worst value of the sound ones: without a value, the sampler would
    go on proposing configs like them.

    Constraints are dropped, because they are in the values now. GPSampler could not read them: it
    wants the same ones in all trials, and a trial of ours has only those that were checked.
    """
    trials = view._get_trials(deepcopy=False)
    values = {trial.number: _sound_value(trial, view) for trial in trials}
    known = [value for value in values.values() if value is not None]
    if not known:
        return View(view, [trial for trial in trials if not trial.state.is_finished()])
    worst = _worst_of(view)(known)
    seen = []
    for trial in trials:
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            value = values[trial.number]
            seen.append(_completed(trial, worst if value is None else value))
        elif trial.state == TrialState.RUNNING:
            seen.append(trial)
    return View(view, seen)


def _sound_value(trial: FrozenTrial, study: Study) -> float | None:
    """The trial's value, or the best one so far if it was pruned; None if it counts as failed."""
    if any(violation > 0 for violation in trial.constraints.values()):
        return None
    if trial.state == TrialState.COMPLETE:
        return trial.value
    stopped_by = kind_of(trial.user_attrs.get("stop_reason"))
    if trial.state != TrialState.PRUNED or stopped_by in (None, Kind.SICK):
        return None
    return _best_of(study)(filter(isfinite, trial.intermediate_values.values()), default=None)


def _completed(trial: FrozenTrial, value: float) -> FrozenTrial:
    completed = copy(trial)
    completed.state, completed.values = TrialState.COMPLETE, [value]
    completed._system_attrs = {
        name: attr
        for name, attr in trial.system_attrs.items()
        if name.partition(":")[0] != "constraints"
    }
    return completed


def _best_of(study: Study) -> Callable[..., float | None]:
    return min if study.direction == StudyDirection.MINIMIZE else max


def _worst_of(study: Study) -> Callable[[Iterable[float]], float]:
    return max if study.direction == StudyDirection.MINIMIZE else min


_deepcopy = deepcopy  # `_get_trials` has a parameter of this name
