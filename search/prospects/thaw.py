"""Which stopped trial is worth going on with rather than trying a new config.

A trial that a comparison stopped was behind the others as they were then. As more trials end, the
forecast of its end changes; a search goes on with it if that is worth more per epoch than a new
trial.

Source: the trade-off is that of Swersky et al. 2014, "Freeze-thaw Bayesian optimization"
(arXiv:1406.3896).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from optuna.trial import FrozenTrial
from scipy.stats import norm

from ..running.endings import is_frozen
from ..storage.trials import CONFIG, continued_by
from .outcomes import Outcome

MIN_CHANCE = 0.1  # to beat the best: below it, the rules would soon stop the trial again
LATEST = 20  # trials that say how many epochs a new one takes


class Thaw(NamedTuple):
    """A stopped trial to go on with.

    Attributes:
        chance: that it beats the best trial.
        worth: expected improvement for each epoch, in stars.
        worth_of_new: of a new trial, likewise.
    """

    number: int
    chance: float
    worth: float
    worth_of_new: float


def choose_thaw(
    trials: Sequence[FrozenTrial],
    outcomes: Sequence[Outcome],
    new_improvement: float,
    kept: Collection[int] | None = None,
) -> Thaw | None:
    """The stopped trial with the highest worth, if it is worth more than a new one.

    Args:
        trials: of the study, by number.
        outcomes: of its ended trials.
        new_improvement: that a new trial is expected to bring, in stars.
        kept: numbers of the trials that have a checkpoint. [default: all]
    """
    ended = [outcome for outcome in outcomes if outcome.sd == 0 and not outcome.is_sick]
    if not ended:
        return None
    best = min(outcome.level for outcome in ended)
    continued = continued_by(trials)
    latest = [len(trials[outcome.number].intermediate_values) for outcome in outcomes[-LATEST:]]
    worth_of_new = new_improvement / max(float(np.mean(latest)), 1.0)
    chosen: Thaw | None = None
    for outcome in outcomes:
        trial = trials[outcome.number]
        if not is_frozen(trial.state, trial.user_attrs.get("stop_reason")):
            continue
        if outcome.number in continued or (kept is not None and outcome.number not in kept):
            continue
        left = trial.system_attrs[CONFIG]["max_epochs"] - len(trial.intermediate_values)
        chance, improvement = _improvement(outcome, best)
        worth = improvement / max(left, 1)
        if left > 0 and chance >= MIN_CHANCE and worth > (chosen.worth if chosen else worth_of_new):
            chosen = Thaw(outcome.number, chance, worth, worth_of_new)
    return chosen


def _improvement(outcome: Outcome, best: float) -> tuple[float, float]:
    """The chance that the trial's end is below the best level, and by how much it is expected to.

    A normal distribution; one that has ended on a plateau has no uncertainty left.
    """
    if outcome.sd == 0:
        return 0.0, 0.0
    z = (best - outcome.level) / outcome.sd
    return float(norm.cdf(z)), float(outcome.sd * (z * norm.cdf(z) + norm.pdf(z)))
