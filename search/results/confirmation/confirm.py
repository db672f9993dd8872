"""Retrains a study's best trials over fresh seeds and splits, and ranks them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count, islice
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from ....base.interrupts import Interrupts
from ....base.messages import printable
from ....data.sets.loading import load_ratings
from ....data.sets.prepared_splits import open_split
from ....data.splits.split import Split
from ....errors import OptionError
from ....model.architectures.configs import config_from_mapping
from ....model.config import DescentConfig, TrainingConfig
from ....model.evaluation.metrics import Metric
from ....model.training.device import resolve_device
from ...definition.study_file import StudySpec
from ...running.events import Listener, Notice, StudyStarted, broadcast, ignore, notifier
from ...running.opening import check_same_ratings
from ...storage.access import check_can_write
from ...storage.database import writable_storage
from ...storage.locks import study_lock
from ...storage.studies import SEED_NOISE
from ...storage.trials import CONFIG, best_trials, count_trials
from ..ranking import no_completed_trial
from ..reader import StudyReader
from .intervals import least_difference
from .retraining import Retrainer
from .standings import (
    AGAINST,
    SEEDS,
    Confirmation,
    Results,
    diverged_with,
    read_results,
    result_key,
)

FIRST_SEED = 1000
NONE = "none"


def confirm(
    name: str | None,
    storage_url: str,
    *,
    top: int = 3,
    seeds: int = 5,
    against: str | None = None,
    dataset: str | None = None,
    device: str = "auto",
    listener: Listener = ignore,
) -> list[dict[str, Any]]:
    """Retrain the `top` best trials of different configs, all with the same fresh seeds.

    A known config is retrained with them, so that the outcome says how far the search got from
    it.

    Each seed splits the rows that the search saw into train and validation again; the test rows
    stay unused. A split by time stays as it is. Each result is stored at once, and another call
    trains what is missing. Signals work as in `run_study`.

    Args:
        name: of the study; may be None if the storage holds only one.
        against: name of the known config, or `none`. [default: the study's first]
        dataset: where the study's ratings are now, if they have moved.

    Returns:
        The rows of `StudyReader.confirmation`.

    Raises:
        OptionError: `top` is below 1, or `seeds` below 2, or no trial of a known config `against`
            has completed.
        StudyError: no such study, another process confirms it, or its ratings have changed.
        NothingYet: no trial has completed.
        KeyboardInterrupt, SystemExit: as in `run_study`.
    """
    if top < 1:
        raise OptionError(f"top must be at least 1, got {top}")
    if seeds < 2:
        raise OptionError(f"seeds must be at least 2, got {seeds}: one value has no interval")
    resolve_device(device)
    listener = broadcast(listener)  # its errors must not end a training
    interrupts = Interrupts(notifier(listener))
    reader = StudyReader(storage_url, name)
    check_can_write(storage_url)
    spec = reader.spec.model_copy(update={"dataset": dataset or reader.spec.dataset})
    ratings = load_ratings(spec.dataset, options=spec.read_options)
    check_same_ratings(spec, reader.fingerprint, ratings.fingerprint)
    split = open_split(ratings, spec.split)
    with study_lock(storage_url, spec.name), writable_storage(storage_url) as storage:
        study = optuna.load_study(study_name=spec.name, storage=storage)
        trials = study.get_trials(deepcopy=False)
        ranked = best_trials(trials, reader.metric)
        chosen = distinct_configs(ranked)[:top]
        if not chosen:
            raise no_completed_trial(spec.name, storage_url)
        asked_for = len(chosen)
        known = _known_trial(spec, ranked, chosen, against)
        if known is not None and known[0] not in chosen:
            chosen.append(known[0])
        used = {_config(trial).seed for trial in ranked} | {spec.split.seed}
        fresh = fresh_seeds(seeds, used)
        listener(StudyStarted(spec, count_trials(trials)))
        results = read_results(storage.get_study_system_attrs(study._study_id))
        if asked_for < top:
            listener(Notice(f"only {asked_for} of {top} trials: no other config has completed"))
        listener(Notice(_describe_plan(chosen, fresh, results, split)))
        if seeds == 2:
            listener(Notice("two seeds say little about chance; intervals need three or more"))
        with interrupts.caught():
            retraining = _Retraining(
                study, storage, split, reader.metric, device, listener, interrupts
            )
            retraining.run(chosen, fresh, results)
            compared: Any = known and {"trial": known[0].number, "name": known[1]}
            storage.set_study_system_attr(study._study_id, AGAINST, compared)
            storage.set_study_system_attr(study._study_id, SEEDS, fresh)
            _learn_seed_noise(study, storage, spec, reader.metric, split.train.scale.star)
    interrupts.leave()
    return reader.confirmation()


def _known_trial(
    spec: StudySpec,
    ranked: Sequence[FrozenTrial],
    chosen: Sequence[FrozenTrial],
    against: str | None,
) -> tuple[FrozenTrial, str] | None:
    """The trial and the name of the known config to compare with.

    The trial is the chosen one with the same config, if there is one.

    None if the study has none, or, unless one is asked for, its first has not completed.

    Raises:
        OptionError: the one asked for is not known, or has not completed.
    """
    names = [entry["name"] for entry in spec.known]
    if against == NONE or (against is None and not names):
        return None
    name = names[0] if against is None else against
    completed = {trial.user_attrs.get("known_config"): trial for trial in reversed(ranked)}
    if name in completed:
        trial = completed[name]
        same = [other for other in chosen if distinct_configs([other, trial]) == [other]]
        return (same[0] if same else trial), name
    if against is None:
        return None
    choices = ", ".join([*(known for known in names if known in completed), NONE])
    why = "has not completed" if name in names else "is no known config of the study"
    raise OptionError(f"{printable(name)} {why}; choose --against from {choices}")


def _learn_seed_noise(
    study: optuna.Study, storage: RDBStorage, spec: StudySpec, metric: Metric, star: float
) -> None:
    """Store what another seed may change, for the rules and the outlook of later trials.

    By architecture, because one may be far noisier than another. Where each seed has a split of its
    own, that is part of it.
    """
    attrs = storage.get_study_system_attrs(study._study_id)
    rows: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for standing in Confirmation.of(attrs, spec.split, metric).standings:
        architecture = _config(study.trials[standing.number]).architecture
        rows[architecture].append(metric.levels(standing.values.values(), star))
    differences = {name: least_difference(of_it) for name, of_it in rows.items()}
    noise = {name: value for name, value in differences.items() if value is not None}
    if noise:
        storage.set_study_system_attr(study._study_id, SEED_NOISE, noise)


def fresh_seeds(n: int, used: Iterable[int | None]) -> list[int]:
    """The first `n` integers from 1000 on that are not used: the same ones in every call."""
    taken = set(used)
    return list(islice((seed for seed in count(FIRST_SEED) if seed not in taken), n))


def distinct_configs(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The first trial of each config; configs that differ only in their seed count as one."""
    first: dict[TrainingConfig, FrozenTrial] = {}
    for trial in trials:
        first.setdefault(_with_seed(_config(trial), FIRST_SEED), trial)
    return list(first.values())


class _Retraining:
    """Trains all trials with one seed before the next: an interruption leaves them comparable."""

    def __init__(
        self,
        study: optuna.Study,
        storage: RDBStorage,
        split: Split,
        metric: Metric,
        device: str,
        listener: Listener,
        interrupts: Interrupts,
    ) -> None:
        self._study_id = study._study_id
        self._storage = storage
        self._split = split
        self._metric = metric
        self._listener = listener
        self._retrainer = Retrainer(metric, device, listener, interrupts)

    def run(
        self,
        trials: Sequence[FrozenTrial],
        seeds: Sequence[int],
        results: dict[int, dict[int, float | None]],
    ) -> None:
        """Train what has no result yet, except for diverged trials, and add it to the results.

        Raises:
            KeyboardInterrupt: a signal arrived before the last epoch of a training.
        """
        for seed in seeds:
            missing = [
                trial
                for trial in trials
                if seed not in results.setdefault(trial.number, {})
                and diverged_with(results, trial.number) is None
            ]
            if not missing:
                continue
            split = self._split.recut(seed) if self._split.spec.is_random else self._split
            for trial in missing:
                config = _with_seed(_config(trial), seed)
                report, _ = self._retrainer.train(trial.number, f"seed {seed}", config, split)
                value = None if report is None else self._metric.of(report)
                results[trial.number][seed] = value
                key = result_key(trial.number, seed)
                self._storage.set_study_system_attr(self._study_id, key, value)
                outcome = (
                    "diverged"
                    if value is None
                    else f"{self._metric.label} {self._metric.format(value)}"
                )
                self._listener(Notice(f"trial {trial.number} with seed {seed}: {outcome}"))


def _describe_plan(
    trials: Sequence[FrozenTrial], seeds: Sequence[int], results: Results, split: Split
) -> str:
    done = sum(seed in results.get(trial.number, {}) for trial in trials for seed in seeds)
    numbers = ", ".join(str(trial.number) for trial in trials)
    splits = (
        "each with a fresh split into train and validation"
        if split.spec.is_random
        else f"all on the one {split.spec} split"
    )
    return (
        f"retraining trials {numbers} with seeds {seeds[0]} to {seeds[-1]}, {splits}: "
        f"{done} of {len(trials) * len(seeds)} trainings are done"
    )


def _with_seed(config: TrainingConfig, seed: int) -> TrainingConfig:
    """The config with another seed; the bias model has none, so only its splits differ."""
    return replace(config, seed=seed) if isinstance(config, DescentConfig) else config


def _config(trial: FrozenTrial) -> TrainingConfig:
    return config_from_mapping(trial.system_attrs[CONFIG])
