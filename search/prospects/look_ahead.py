"""Looks at all trials of a study: what those that are left would bring, and what is worth more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from optuna.trial import FrozenTrial

from ...model.architectures.configs import config_from_mapping
from ...model.evaluation.weighted import find_metric
from ..definition.finish import Finish
from ..definition.study_file import StudySpec
from ..storage.trials import CONFIG, best_trials
from .feasibility import limit_checks
from .outcomes import outcomes
from .outlook import MIN_OUTCOMES, Outlook
from .prior import Prior, unless_contradicted
from .proposals import log_expected_improvement, most_promising
from .remaining import expected_gain
from .surrogate import fit_surrogate
from .thaw import Thaw, choose_thaw


def look_ahead(
    spec: StudySpec,
    trials: Sequence[FrozenTrial],
    n_done: int,
    before: Outlook | None = None,
    star: float = 1.0,
    prior: Prior | None = None,
    learned_noise: Callable[[str], float | None] = lambda architecture: None,
) -> Outlook | None:
    """The outlook of a study; None while there are too few outcomes, and for a grid.

    A grid's points are known, so a surrogate has nothing to say about what they reach.

    Args:
        trials: all of the study's.
        n_done: how many of them count towards the total.
        before: the outlook after an earlier trial.
        star: what a star is worth in the ratings' units: `Scale.star`.
        prior: what earlier studies expect.
        learned_noise: architecture -> what another seed may change, in stars, by `confirm`.
    """
    metric = find_metric(spec.objective.metric)
    finish = spec.finish or Finish()
    known, ranked = outcomes(trials, metric, star), best_trials(trials, metric)
    if len(known) < MIN_OUTCOMES or not ranked or spec.sampler.grid:
        return None
    wanted = finish.gain
    if wanted == "auto":
        best = config_from_mapping(ranked[0].system_attrs[CONFIG])
        learned = learned_noise(best.architecture)
        wanted = best.seed_noise if learned is None else learned
    left = max(spec.trials - n_done, 0)
    prior, limits = unless_contradicted(prior, known), limit_checks(spec, trials)
    surrogate = fit_surrogate(spec.space, known, prior, limits)
    rng = np.random.default_rng(n_done)
    gain = expected_gain(surrogate, spec.architectures, left, wanted, rng)
    unit = metric.moves_per_star(star)
    outlook = Outlook(
        done=n_done,
        left=left,
        mean=gain.mean * unit,
        sd=gain.sd * unit,
        high=gain.high * unit,
        wanted=wanted * unit,
        chance=gain.chance,
        limit=finish.chance,
    )
    return outlook.following(before)


def find_thaw(
    spec: StudySpec,
    trials: Sequence[FrozenTrial],
    star: float = 1.0,
    kept: Collection[int] | None = None,
    prior: Prior | None = None,
) -> Thaw | None:
    """The stopped trial that is worth more than a new one; None if there is none.

    Args:
        trials: all of the study's, by number.
        star: what a star is worth in the ratings' units: `Scale.star`.
        kept: numbers of the stopped trials that have a checkpoint. [default: all]
        prior: what earlier studies expect.
    """
    known = outcomes(trials, find_metric(spec.objective.metric), star)
    if len(known) < MIN_OUTCOMES:
        return None
    prior, limits = unless_contradicted(prior, known), limit_checks(spec, trials)
    surrogate = fit_surrogate(spec.space, known, prior, limits)
    rng = np.random.default_rng(len(trials))
    proposal = most_promising(surrogate, spec.architectures, rng)[None]
    improvement = float(np.exp(log_expected_improvement(surrogate, proposal)[0]))
    return choose_thaw(trials, known, improvement, kept)
