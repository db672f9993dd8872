"""The study's pruners as one Optuna pruner, which records why it stops a trial."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from ...model.evaluation.metrics import VAL_RMSE, Metric
from .optuna_pruners import OptunaPruner
from .rule import Kind, Progress, Rule, Stop


class TrialPruner(BasePruner):
    """Asks every pruner of the study; the first one that stops the trial gives the reason.

    A sick trial is reported as sick, whichever pruner comes first. Optuna keeps one value per
    epoch, and rules need whole reports, so the objective hands them over: `observe`, then
    `trial.should_prune()`, then `stop`.

    Attributes:
        stop: why the trial of the latest `should_prune` must end; None if it continues.
    """

    def __init__(self, pruners: Sequence[Rule | OptunaPruner], metric: Metric = VAL_RMSE) -> None:
        self._rules = [
            (pruner, pruner.build() if isinstance(pruner, OptunaPruner) else None)
            for pruner in pruners
        ]
        self._metric = metric
        self._observed: tuple[int, Progress] | None = None
        self._is_thawed = False
        self.stop: Stop | None = None

    def observe(self, trial_number: int, progress: Progress, *, is_thawed: bool = False) -> None:
        """Set what the rules judge when Optuna next asks about this trial.

        Args:
            is_thawed: whether it had been stopped, and goes on for its forecast. Optuna's pruners
                compare ranks so far, and would stop it again at once: they are asked in vain.
        """
        self._observed = (trial_number, progress)
        self._is_thawed = is_thawed

    def warning(self, progress: Progress) -> str | None:
        """What is wrong with a trial that continues; None if nothing is."""
        rules = [pruner for pruner, _ in self._rules if isinstance(pruner, Rule)]
        return next(filter(None, (rule.warning(progress) for rule in rules)), None)

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        self.stop = self._first_stop(study, trial)
        return self.stop is not None

    def _first_stop(self, study: optuna.Study, trial: FrozenTrial) -> Stop | None:
        number, progress = self._observed or (None, None)
        if number != trial.number:
            progress = None
        stops: list[Stop] = []
        for pruner, optuna_pruner in self._rules:
            if isinstance(pruner, OptunaPruner):
                # Asked in every epoch, because successive halving records its rungs as it is asked.
                assert optuna_pruner is not None
                if optuna_pruner.prune(study, trial) and not self._is_thawed:
                    stops.append(pruner.stop(study, trial, self._metric))
            elif progress is not None and (stop := pruner.judge(progress)):
                stops.append(stop)
        return min(stops, key=lambda stop: stop.kind is not Kind.SICK, default=None)
