"""Which configs are within the study's limits, learned from the constraints of its trials.

A limit on the size of the network is known for a config only once its model is built, so a search
learns where it lies, and asks for proposals that are likely to be within it.

Source: Gardner et al. 2014, "Bayesian optimization with inequality constraints".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from optuna.trial import FrozenTrial
from scipy.stats import norm

from ..definition.limits import Limits
from ..definition.study_file import StudySpec
from ..pruners.rule import Rule
from ..storage.trials import OUT_OF_MEMORY
from .encoding import Doubles, Encoding
from .processes import fit_process

NOT_CHECKED = -0.5  # stands for the violation of a limit that a trial was not checked for
LOWEST = -0.99  # so that its log is finite


class LimitCheck(NamedTuple):
    """What a trial says about the limits.

    Attributes:
        params: Optuna's parameters.
        violations: by limit; above 0 where it is exceeded, as Optuna expects of a constraint.
    """

    params: Mapping[str, Any]
    violations: Mapping[str, float]


def limit_checks(spec: StudySpec, trials: Sequence[FrozenTrial]) -> list[LimitCheck]:
    """The trials that were trained, or exceeded a limit; none if no trial has exceeded one.

    Limits that the study no longer has, such as after `start --explore`, are left out.
    """
    of_pruners = {pruner.infeasible for pruner in spec.pruners if isinstance(pruner, Rule)}

    def in_force(name: str) -> bool:
        if name in Limits.model_fields:
            return getattr(spec.limits, name, None) is not None
        return name in of_pruners or name == OUT_OF_MEMORY

    found = [
        LimitCheck(trial.params, {n: v for n, v in trial.constraints.items() if in_force(n)})
        for trial in trials
        if trial.constraints or trial.intermediate_values
    ]
    if any(violation > 0 for each in found for violation in each.violations.values()):
        return found
    return []


class Feasibility:
    """The chance that a config is within all limits."""

    def __init__(self, encoding: Encoding, trials: Sequence[LimitCheck]) -> None:
        points = encoding.encode_params([each.params for each in trials])
        self._processes = []
        for name in sorted({name for each in trials for name in each.violations}):
            violations = np.array([each.violations.get(name, NOT_CHECKED) for each in trials])
            if violations.max() > 0:
                # The log of value / limit: both span orders of magnitude.
                logs = np.log1p(np.maximum(violations, LOWEST))
                unit = float(logs.std()) or 1.0
                process = fit_process(points, (logs - logs.mean()) / unit)
                self._processes.append((process, logs.mean() / unit))

    def log_chance(self, points: Doubles) -> Doubles:
        """(n,) log of the chance that a point is within all limits."""
        total = np.zeros(len(points))
        for process, mean in self._processes:
            expected, sd = process.predict(points, return_std=True)
            total += norm.logcdf(-(expected + mean) / sd)
        return total
