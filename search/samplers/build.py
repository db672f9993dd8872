"""The sampler of one trial, as the study file names it."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

from numpy.random import SeedSequence
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler

from ..definition.sampler import (
    AutoSettings,
    CmaEsSettings,
    GpSettings,
    GridSettings,
    RandomSettings,
    SamplerSettings,
    TpeSettings,
)
from ..definition.study_file import StudySpec
from ..prospects.prior import Prior
from .per_architecture import PerArchitectureSampler
from .surrogate import SurrogateSampler

_TURNS = 2  # each architecture has as many modelled trials as random ones before one is chosen


def trial_sampler(
    spec: StudySpec, number: int, star: float = 1.0, prior: Prior | None = None
) -> BaseSampler:
    """The sampler of one trial.

    It keeps nothing from one trial to the next, because the trials of a study may run in several
    processes. Its seed depends on the trial's number: processes that started with the same seed
    would draw the same values.

    Args:
        star: what a star is worth in the ratings' units: `Scale.star`.
        prior: what earlier studies expect, for the sampler `auto`.
    """
    settings = spec.sampler.settings
    seed = _trial_seed(settings.seed, number)
    if isinstance(settings, AutoSettings):
        return SurrogateSampler(spec, seed, settings.startup_trials, star, prior)
    return _BUILDERS[type(settings)](spec, settings, seed)


def _tpe(_: StudySpec, settings: TpeSettings, seed: int) -> BaseSampler:
    return TPESampler(
        seed=seed,
        n_startup_trials=settings.startup_trials,
        # Not multivariate: such studies come less far in the same epochs (docs/search.md).
        constant_liar=True,  # away from the trials that other processes are running
    )


def _gp(spec: StudySpec, settings: GpSettings, seed: int) -> BaseSampler:
    startup = _startup_of_each(spec, settings.startup_trials)
    return PerArchitectureSampler(
        spec.space,
        _tpe(spec, TpeSettings(startup_trials=settings.startup_trials), seed),
        GPSampler(seed=seed, n_startup_trials=startup, warn_independent_sampling=False),
        _tpe(spec, TpeSettings(startup_trials=startup), seed),
        turns=_TURNS * startup,
    )


def _cmaes(spec: StudySpec, settings: CmaEsSettings, seed: int) -> BaseSampler:
    startup = _startup_of_each(spec, settings.startup_trials)
    return PerArchitectureSampler(
        spec.space,
        _tpe(spec, TpeSettings(startup_trials=settings.startup_trials), seed),
        # It stores its state with the trials, where the sampler of the next trial finds it.
        CmaEsSampler(seed=seed, n_startup_trials=startup, warn_independent_sampling=False),
        _tpe(spec, TpeSettings(startup_trials=startup), seed),
        turns=_TURNS * startup,
        numeric_only=True,
    )


def _startup_of_each(spec: StudySpec, startup_trials: int) -> int:
    """An architecture's share of the startup trials; one at least, as GP cannot model none."""
    return max(1, ceil(startup_trials / len(spec.architectures)))


def _random(_: StudySpec, settings: SamplerSettings, seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def _trial_seed(seed: int, number: int) -> int:
    return int(SeedSequence([seed, number]).generate_state(1)[0])


# A grid's trials are claimed with their values (`grid.py`): nothing is left to draw.
_BUILDERS: dict[type[SamplerSettings], Callable[[StudySpec, Any, int], BaseSampler]] = {
    TpeSettings: _tpe,
    GpSettings: _gp,
    CmaEsSettings: _cmaes,
    RandomSettings: _random,
    GridSettings: _random,
}
