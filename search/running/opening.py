"""Finds a study by name or file, and creates or reopens its Optuna study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from pydantic import ValidationError

from ...base.messages import format_validation_error
from ...data.sets.loading import dataset_reference
from ...errors import ConfigError, StudyError
from ...model.evaluation.metrics import METRICS
from ..definition.study_file import StudySpec, load_study, spec_from_json, spec_to_json
from ..pruners.table import pruner_to_mapping
from ..pruners.trial_pruner import TrialPruner
from ..storage.database import readable_storage
from ..storage.studies import FINGERPRINT, SPEC, read_stored_specs
from ..storage.urls import redact, storage_exists

# These may change between two starts: they alter how long to search, not what is compared. Of the
# objective only the target may change; `_fixed_settings` keeps the metric.
# The dataset may move, because its fingerprint shows that the ratings are the same. The limits may
# change, because what they ruled out was not trained.
_CHANGEABLE_FIELDS = {"trials", "timeout", "objective", "dataset", "limits", "budget"}


@dataclass(frozen=True)
class Overrides:
    """Values from the command line that override the study file's; None keeps the file's."""

    trials: int | None = None
    dataset: str | None = None
    target_rmse: float | None = None
    explore: bool = False  # lift the study's limits, including the one on GPU memory
    usd_per_hour: float | None = None
    budget_usd: float | None = None


def resolve_spec(name_or_path: str, storage_url: str, overrides: Overrides) -> StudySpec:
    """The study to run: one that the storage holds, a built-in one, or a file's, in this order.

    Creates nothing: a study that cannot start leaves no storage behind.

    Raises:
        StudyError: no such study, or it was created with other settings.
        ConfigError: the file or an override is invalid.
    """
    stored: dict[str, str] = {}
    try:
        if storage_exists(storage_url):
            stored = read_stored_specs(readable_storage(storage_url))
    except StudyError:  # no tables yet, or unreachable: then opening it for writing fails too
        pass
    if name_or_path in stored:
        spec = spec_from_json(stored[name_or_path])
    else:
        spec = load_study(name_or_path)
    spec = _override(spec, overrides)
    if spec.name in stored:
        _check_unchanged(spec_from_json(stored[spec.name]), spec, redact(storage_url))
    return spec


def read_stored_study(name: str, storage_url: str) -> tuple[list[FrozenTrial], dict[str, Any]]:
    """The trials of a stored study and its user attributes; both empty if there is none yet."""
    try:
        if storage_exists(storage_url):
            storage = readable_storage(storage_url)
            if name in read_stored_specs(storage):
                study = optuna.load_study(study_name=name, storage=storage)
                return study.get_trials(), study.user_attrs
    except StudyError:  # as in `resolve_spec`
        pass
    return [], {}


def open_study(spec: StudySpec, fingerprint: str, storage: RDBStorage) -> optuna.Study:
    """The Optuna study of a spec, created if it does not exist, with its known configs queued.

    If a crash interrupts it, the next call finishes the remaining steps.

    Raises:
        StudyError: the study was created on other ratings, or by another program.
    """
    metric = METRICS[spec.objective.metric]
    study = optuna.create_study(
        study_name=spec.name, storage=storage, direction=metric.direction, load_if_exists=True
    )
    attrs = storage.get_study_system_attrs(study._study_id)
    if SPEC not in attrs and study.get_trials(deepcopy=False):
        raise StudyError(
            f"{redact(storage.url)} holds a study named {spec.name} that another program created; "
            "give the file another name, or choose another --storage"
        )
    check_same_ratings(spec, attrs.get(FINGERPRINT, fingerprint), fingerprint)
    storage.set_study_system_attr(study._study_id, FINGERPRINT, fingerprint)
    storage.set_study_system_attr(study._study_id, SPEC, spec_to_json(spec))
    study.set_metric_names([metric.name])
    study.set_user_attr("dataset", spec.dataset)
    study.set_user_attr("sampler", spec.sampler.model_dump(exclude_none=True))
    study.set_user_attr("pruners", [pruner_to_mapping(pruner) for pruner in spec.pruners])
    if target := spec.objective.target:
        study.set_user_attr("target", str(target))
    trials = study.get_trials(deepcopy=False)
    queued = {trial.user_attrs.get("known_config") for trial in trials}
    for known in spec.known_trials():
        if known.name not in queued:
            attrs = {"known_config": known.name, **({"fixed": known.fixed} if known.fixed else {})}
            study.enqueue_trial(known.params, user_attrs=attrs)
    study.sampler = _sampler(spec, n_trials=len(trials))
    study.pruner = TrialPruner(spec.pruners, metric)
    return study


def check_same_ratings(spec: StudySpec, stored_fingerprint: str, fingerprint: str) -> None:
    """Refuse ratings other than those that the study was created on."""
    if stored_fingerprint != fingerprint:
        raise StudyError(
            f"study {spec.name} was created on ratings with the fingerprint {stored_fingerprint}, "
            f"but {spec.dataset} now has {fingerprint}; restore the ratings, or start a new study"
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
        raise ConfigError(format_validation_error(error)) from None


def without_memory_limit(pruners: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The pruners except `gpu_memory`, which is a limit like those in `limits`."""
    return [pruner for pruner in pruners if "gpu_memory" not in pruner]


def _sampler(spec: StudySpec, *, n_trials: int) -> BaseSampler:
    """A sampler with a new seed at each start: the same one would repeat the first suggestions."""
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


def _check_unchanged(stored: StudySpec, spec: StudySpec, storage: str) -> None:
    """Refuse settings that would make new trials incomparable with the stored ones."""
    before, now = (_fixed_settings(each) for each in (stored, spec))
    for field in before:
        if before[field] != now[field]:
            raise StudyError(
                f"study {spec.name} in {storage} was created with "
                f"{_describe_difference(field, before[field], now[field])}; to continue it "
                f"unchanged: recsys-search start --study {spec.name}; to run the new settings, "
                "give the file another name"
            )


def _fixed_settings(spec: StudySpec) -> dict[str, Any]:
    """The settings that may not change between two starts, as plain values."""
    settings: dict[str, Any] = spec.model_dump(mode="json", by_alias=True)
    settings["pruners"] = without_memory_limit(settings["pruners"])  # --explore removes it
    settings["metric"] = settings["objective"]["metric"]
    return {name: value for name, value in settings.items() if name not in _CHANGEABLE_FIELDS}


def _describe_difference(name: str, before: Any, now: Any) -> str:
    """The first place where two tables differ, with both values."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *now]:
            if before.get(key) != now.get(key):
                return _describe_difference(f"{name} {key}", before.get(key), now.get(key))
    return f"{name}: {before}, the file now says {now}"
