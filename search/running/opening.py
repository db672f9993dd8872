"""From a name or a file to an Optuna study, new or carried on with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage
from pydantic import ValidationError

from ...base.messages import one_line
from ...data.sets.datasets import dataset_reference
from ...errors import ConfigError, StudyError
from ..definition.study_file import StudySpec, load_study, spec_from_json, spec_to_json
from ..pruners.trial_pruner import TrialPruner
from ..storage.engines import readable_storage
from ..storage.studies import FINGERPRINT, SPEC, stored_specs
from ..storage.urls import is_there, redacted

# What may change while a study goes on: it alters how long to search, not what is compared.
# The dataset may move: that its ratings are the same, their fingerprint tells.
# The limits may change too: what they forbade was not trained, and may be now.
_FREE_FIELDS = {"trials", "timeout", "objective", "dataset", "limits", "budget"}


@dataclass(frozen=True)
class Overrides:
    """What the command line says otherwise than the study file. None: as the file says."""

    trials: int | None = None
    dataset: str | None = None
    target_rmse: float | None = None
    explore: bool = False  # lift the study's known limits, that of GPU memory too
    usd_per_hour: float | None = None
    budget_usd: float | None = None


def find_spec(name_or_path: str, storage_url: str, overrides: Overrides) -> StudySpec:
    """The study to run: the storage's own of that name, or a built-in, or a file's.

    Makes nothing: a study that cannot begin leaves no storage behind.

    Raises:
        StudyError: no such study, or one that was begun with other settings.
        ConfigError: the file or an override does not hold together.
    """
    try:
        stored = stored_specs(readable_storage(storage_url)) if is_there(storage_url) else {}
    except StudyError:  # an empty server; one that cannot be opened is told when it is to be
        stored = {}
    if name_or_path in stored:
        spec = spec_from_json(stored[name_or_path])
    else:
        spec = load_study(name_or_path)
    spec = _override(spec, overrides)
    begun = spec_from_json(stored[spec.name]) if spec.name in stored else None
    if begun is not None:
        _refuse_changes(begun, spec, redacted(storage_url))
    return spec


def open_study(spec: StudySpec, fingerprint: str, storage: RDBStorage) -> optuna.Study:
    """The Optuna study of a spec, made where it is not there yet, its known configs queued.

    Each step is one that a later call finishes, should this one be cut off.

    Raises:
        StudyError: it was begun on other ratings, or by another program.
    """
    study = optuna.create_study(
        study_name=spec.name, storage=storage, direction="minimize", load_if_exists=True
    )
    attrs = storage.get_study_system_attrs(study._study_id)
    if SPEC not in attrs and study.get_trials(deepcopy=False):
        raise StudyError(
            f"{redacted(storage.url)} holds a study named {spec.name} that another program began; "
            "give the file another name, or choose another --storage"
        )
    check_fingerprint(spec, attrs.get(FINGERPRINT, fingerprint), fingerprint)
    storage.set_study_system_attr(study._study_id, FINGERPRINT, fingerprint)
    storage.set_study_system_attr(study._study_id, SPEC, spec_to_json(spec))
    study.set_metric_names([spec.objective.metric])
    study.set_user_attr("dataset", spec.dataset)
    study.set_user_attr("sampler", spec.sampler.model_dump(exclude_none=True))
    study.set_user_attr("pruners", [pruner.model_dump() for pruner in spec.pruners])
    if target := spec.objective.target:
        study.set_user_attr("target", str(target))
    trials = study.get_trials(deepcopy=False)
    queued = {trial.user_attrs.get("known_config") for trial in trials}
    for known in spec.known_trials():
        if known.name not in queued:
            attrs = {"known_config": known.name, **({"fixed": known.fixed} if known.fixed else {})}
            study.enqueue_trial(known.params, user_attrs=attrs)
    study.sampler = _sampler(spec, n_trials=len(trials))
    study.pruner = TrialPruner(spec.pruners)
    return study


def check_fingerprint(spec: StudySpec, begun_on: str, fingerprint: str) -> None:
    """Refuses ratings that are not those that the study was begun on."""
    if begun_on != fingerprint:
        raise StudyError(
            f"study {spec.name} was begun on ratings with the fingerprint {begun_on}, "
            f"and {spec.dataset} now has {fingerprint}; restore them, or begin a new study"
        )


def _override(spec: StudySpec, overrides: Overrides) -> StudySpec:
    values: dict[str, Any] = spec.model_dump(by_alias=True)
    values["dataset"] = dataset_reference(overrides.dataset or spec.dataset)
    if overrides.trials is not None:
        values["trials"] = overrides.trials
    for name, usd in (("usd_per_hour", overrides.usd_per_hour), ("usd", overrides.budget_usd)):
        if usd is not None:
            values["budget"] = {**(values["budget"] or {}), name: usd}
    if overrides.explore:
        values["limits"] = None
        values["pruners"] = without_memory_limit(values["pruners"])
    if overrides.target_rmse is not None:
        values["objective"]["target"] = {"metric": "val_rmse", "below": overrides.target_rmse}
    try:
        return StudySpec.model_validate(values)
    except ValidationError as error:
        raise ConfigError(one_line(error)) from None


def without_memory_limit(pruners: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A study file's pruners but for the one that stands for a limit, like those of `limits`."""
    return [pruner for pruner in pruners if "gpu_memory" not in pruner]


def _sampler(spec: StudySpec, *, n_trials: int) -> BaseSampler:
    """Seeded anew at each start: with the same seed it would suggest the first trials again."""
    if (random := spec.sampler.random) is not None:
        return RandomSampler(seed=random.seed + n_trials)
    tpe = spec.sampler.tpe
    assert tpe is not None
    return TPESampler(
        seed=tpe.seed + n_trials,
        n_startup_trials=tpe.startup_trials,
        multivariate=True,
        group=True,  # each architecture has axes of its own
        constant_liar=True,
    )


def _refuse_changes(begun: StudySpec, spec: StudySpec, storage: str) -> None:
    before, now = (each.model_dump(mode="json", by_alias=True) for each in (begun, spec))
    for each in (before, now):  # --explore takes it away
        each["pruners"] = without_memory_limit(each["pruners"])
    for field in before:
        if field not in _FREE_FIELDS and before[field] != now[field]:
            raise StudyError(
                f"study {spec.name} in {storage} was begun with another "
                f"{_difference(field, before[field], now[field])}; go on with "
                f"recsys-search start --study {spec.name}, or give the file another name"
            )


def _difference(name: str, before: Any, now: Any) -> str:
    """The first place where two tables differ, and both its values."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *now]:
            if before.get(key) != now.get(key):
                return _difference(f"{name} {key}", before.get(key), now.get(key))
    return f"{name}: {before}, not {now}"
