"""The study's pruners as one Optuna pruner, that remembers why."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from .collapse import Collapse
from .optuna_pruners import OptunaPruner
from .progress import SICK, Progress, Stop
from .table import Pruner


class TrialPruner(BasePruner):
    """Asks all of the study's pruners. The first in their order that would stop a trial has its
    way, but what is sick is told as sick, whatever else would stop it.

    Optuna keeps one value an epoch of a trial. The rules look at whole reports, so they judge
    trials of which the objective tells: `observe`, then `trial.should_prune()`, then `stop`.

    Attributes:
        stop: why the trial that was asked for last shall end; None if it shall not.
    """

    def __init__(self, pruners: Sequence[Pruner]) -> None:
        self._entries = [
            (chosen, chosen.build() if isinstance(chosen, OptunaPruner) else None)
            for chosen in (pruner.chosen for pruner in pruners)
        ]
        self._seen: tuple[int, Progress] | None = None
        self.stop: Stop | None = None

    def observe(self, trial_number: int, seen: Progress) -> None:
        """What the rules are to judge when Optuna next asks about this trial."""
        self._seen = (trial_number, seen)

    def warning(self, seen: Progress) -> str | None:
        """What is amiss with a trial that goes on."""
        rules = [chosen for chosen, _ in self._entries if isinstance(chosen, Collapse)]
        return next(filter(None, (rule.warning(seen) for rule in rules)), None)

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        self.stop = self._first_stop(study, trial)
        return self.stop is not None

    def _first_stop(self, study: optuna.Study, trial: FrozenTrial) -> Stop | None:
        number, seen = self._seen or (None, None)
        if number != trial.number:
            seen = None
        stops: list[Stop] = []
        for chosen, pruner in self._entries:
            if isinstance(chosen, OptunaPruner):
                # Each is asked every epoch, for successive halving keeps its rungs in the trial.
                assert pruner is not None
                if pruner.prune(study, trial):
                    stops.append(chosen.stop(study, trial))
            elif seen is not None and (stop := chosen.judge(seen)):
                stops.append(stop)
        return min(stops, key=lambda stop: stop.stop_reason not in SICK, default=None)
