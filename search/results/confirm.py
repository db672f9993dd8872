"""Retrains a study's best trials over fresh seeds and cuts, and ranks them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count, islice
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from ...base.interrupts import Interrupts
from ...data.sets.datasets import load_ratings
from ...data.splits.split import Split, split_ratings
from ...errors import NothingYet, OptionError
from ...model.config import DescentConfig, TrainingConfig, config_from_mapping
from ...model.training.device import resolve_device
from ...model.training.training import Training
from ..running.events import Silent, Watcher
from ..running.opening import check_fingerprint
from ..storage.engines import writable_storage
from ..storage.locks import sole_runner
from ..storage.trials import CONFIG, best_trials, counts
from .confirmations import SEEDS, Results, diverged_with, result_key, results_in
from .reading import StudyReader

FIRST_SEED = 1000


def confirm(
    name: str | None,
    storage_url: str,
    *,
    top: int = 3,
    seeds: int = 5,
    dataset: str | None = None,
    device: str = "auto",
    watcher: Watcher | None = None,
) -> list[dict[str, Any]]:
    """Retrains the best trials of different configs, each with the same fresh seeds.

    With each seed train and validation are cut anew from the rows that the search had; the test
    rows stay sealed. A split by time keeps its cut. Each result is kept as it comes: another call
    trains what is missing. Ctrl-C and SIGTERM are heeded as by `start`.

    Args:
        name: of the study; None where the storage holds one.
        dataset: where the study's ratings are now, if they moved.

    Returns:
        What `StudyReader.confirmation` says then.

    Raises:
        OptionError: fewer than one trial or than two seeds.
        StudyError: no such study, one that runs, or its ratings are others now.
        NothingYet: no trial is completed.
        KeyboardInterrupt, SystemExit: as `start`.
    """
    if top < 1:
        raise OptionError(f"top must be at least 1, got {top}")
    if seeds < 2:
        raise OptionError(f"seeds must be at least 2, got {seeds}: one value has no interval")
    watcher = watcher or Silent()
    resolve_device(device)
    interrupts = Interrupts(watcher.tell)
    reader = StudyReader(storage_url, name)
    spec = reader.spec.model_copy(update={"dataset": dataset or reader.spec.dataset})
    ratings = load_ratings(spec.dataset)
    check_fingerprint(spec, reader.fingerprint, ratings.fingerprint)
    split = split_ratings(ratings, spec.split)
    with sole_runner(storage_url, spec.name), writable_storage(storage_url) as storage:
        study = optuna.load_study(study_name=spec.name, storage=storage)
        trials = study.get_trials(deepcopy=False)
        chosen = different_configs(best_trials(trials))[:top]
        if not chosen:
            raise NothingYet(
                f"{spec.name} has no completed trial yet; go on with: "
                f"recsys-search start --study {spec.name}"
            )
        used = {_config(trial).seed for trial in best_trials(trials)} | {spec.split.seed}
        fresh = fresh_seeds(seeds, used)
        watcher.study_begins(spec, sum(map(counts, trials)))
        results = results_in(storage.get_study_system_attrs(study._study_id))
        if len(chosen) < top:
            watcher.tell(f"{len(chosen)} of the {top} asked for: no other config is completed")
        watcher.tell(_plan(chosen, fresh, results, split))
        with interrupts.caught():
            retraining = _Retraining(study, storage, split, device, watcher, interrupts)
            retraining.run(chosen, fresh, results)
            storage.set_study_system_attr(study._study_id, SEEDS, fresh)
    interrupts.leave()
    return reader.confirmation()


def fresh_seeds(n: int, used: Iterable[int | None]) -> list[int]:
    """The first `n` whole numbers from 1000 on that are not used, so that each call has them."""
    taken = set(used)
    return list(islice((seed for seed in count(FIRST_SEED) if seed not in taken), n))


def different_configs(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The first trial of each config; with other seeds, two that differ in theirs are the same."""
    first: dict[TrainingConfig, FrozenTrial] = {}
    for trial in trials:
        first.setdefault(_with_seed(_config(trial), FIRST_SEED), trial)
    return list(first.values())


class _Retraining:
    """Seed by seed, so that what is done when it is cut off compares all trials."""

    def __init__(
        self,
        study: optuna.Study,
        storage: RDBStorage,
        split: Split,
        device: str,
        watcher: Watcher,
        interrupts: Interrupts,
    ) -> None:
        self._study_id = study._study_id
        self._storage = storage
        self._split = split
        self._device = device
        self._watcher = watcher
        self._interrupts = interrupts

    def run(
        self,
        trials: Sequence[FrozenTrial],
        seeds: Sequence[int],
        results: dict[int, dict[int, float | None]],
    ) -> None:
        """Trains what there is no result of yet, and adds it to them."""
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
                value = self._retrain(trial, seed, split)
                results[trial.number][seed] = value
                key = result_key(trial.number, seed)
                self._storage.set_study_system_attr(self._study_id, key, value)
                told = "diverged" if value is None else f"validation RMSE {value:.4f}"
                self._watcher.tell(f"trial {trial.number} with seed {seed}: {told}")

    def _retrain(self, trial: FrozenTrial, seed: int, split: Split) -> float | None:
        """The best epoch's validation RMSE; None if the training diverged.

        Raises:
            KeyboardInterrupt: a signal came in the middle.
        """
        if self._interrupts.received:
            raise KeyboardInterrupt
        config = _with_seed(_config(trial), seed)
        self._watcher.trial_begins(trial.number, config, f"seed {seed}")
        with Training(config, split, self._device) as run:
            for report in run:
                self._watcher.epoch_ends(trial.number, config, report)
                if not report.finite:
                    return None
                over = report.epoch == config.max_epochs or run.ended_by_patience
                if self._interrupts.received and not over:
                    raise KeyboardInterrupt
        assert run.best is not None
        return run.best.report.val_rmse


def _plan(
    trials: Sequence[FrozenTrial], seeds: Sequence[int], results: Results, split: Split
) -> str:
    done = sum(seed in results.get(trial.number, {}) for trial in trials for seed in seeds)
    numbers = ", ".join(str(trial.number) for trial in trials)
    cuts = (
        "each with a fresh cut of train and validation"
        if split.spec.is_random
        else f"all on the one cut that a {split.spec} split has"
    )
    return (
        f"retraining trials {numbers} with seeds {seeds[0]} to {seeds[-1]}, {cuts}: "
        f"{done} of {len(trials) * len(seeds)} trainings are done"
    )


def _with_seed(config: TrainingConfig, seed: int) -> TrainingConfig:
    """Biases have none: only the cuts differ for them."""
    return replace(config, seed=seed) if isinstance(config, DescentConfig) else config


def _config(trial: FrozenTrial) -> TrainingConfig:
    return config_from_mapping(trial.system_attrs[CONFIG])
