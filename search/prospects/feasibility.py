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

from .encoding import Doubles, Encoding
from .processes import fit_process

MET = -0.5  # the violation of a limit that says nothing about a trial
LOWEST = -0.99  # so that its log is finite


class Checked(NamedTuple):
    """A trial that was checked for limits.

    Attributes:
        params: Optuna's parameters.
        violations: by limit; above 0 where it is exceeded, as Optuna expects of a constraint.
    """

    params: Mapping[str, Any]
    violations: Mapping[str, float]


def checked(trials: Sequence[FrozenTrial]) -> list[Checked]:
    """The trials that were trained, or exceeded a limit; none if no trial has exceeded one."""
    found = [
        Checked(trial.params, trial.constraints)
        for trial in trials
        if trial.constraints or trial.intermediate_values
    ]
    if any(violation > 0 for each in found for violation in each.violations.values()):
        return found
    return []


class Feasibility:
    """The chance that a config is within all limits."""

    def __init__(self, encoding: Encoding, trials: Sequence[Checked]) -> None:
        points = encoding.encode_params([each.params for each in trials])
        self._processes = []
        for name in sorted({name for each in trials for name in each.violations}):
            violations = np.array([each.violations.get(name, MET) for each in trials])
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
