"""Finds a study by name or file, and creates or reopens its Optuna study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from secrets import token_hex
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from pydantic import ValidationError

from ...base.messages import format_validation_error, quoted
from ...data.sets.loading import dataset_reference
from ...data.sets.registry import DATASETS, find_dataset
from ...data.tables.columns import Duplicates
from ...errors import ConfigError, DataError, NothingYet, StudyError
from ...model.evaluation.weighted import find_metric
from ..definition.sizes import parse_size
from ..definition.study_file import StudySpec, read_study, spec_from_json, spec_to_json
from ..presets.fit import Fit, restricted
from ..presets.table import Preset
from ..pruners.table import pruner_to_mapping
from ..storage.claims import study_transaction
from ..storage.database import readable_storage
from ..storage.studies import (
    CHECKPOINTS,
    FINGERPRINT,
    PRESET,
    SPEC,
    STOPPED,
    check_exists,
    check_name_is_free,
    create_study,
    read_stored_specs,
    read_study_id,
)
from ..storage.trials import count_trials
from .changes import check_unchanged


@dataclass(frozen=True)
class Overrides:
    """Values from the command line that override the study file's; None keeps the file's."""

    trials: int | None = None
    dataset: str | None = None
    columns: Mapping[str, str] | None = None
    duplicates: Duplicates | None = None
    target_rmse: float | None = None
    explore: bool = False  # lift the study's limits, including the one on GPU memory
    usd_per_hour: float | None = None
    budget_usd: float | None = None
    keep_checkpoints: str | None = None  # such as 2GB
    warm_start: tuple[str, ...] = ()  # earlier studies in the same storage
    no_finish: bool = False  # run all trials, for the rest of the study
    sampler: str | None = None  # of a new study, with its defaults and the file's seed
    preset: Preset | None = None  # its price, unless another one is given


def resolve_spec(name_or_path: str, storage_url: str, overrides: Overrides) -> StudySpec:
    """The study to run: one that the storage holds, a built-in one, or a file's, in this order.

    Creates nothing: a study that cannot start leaves no storage behind.

    Raises:
        StorageError: the storage cannot be read.
        StudyError: no such study, or it was created with other settings or by another program.
        ConfigError: the file or an override is invalid.
    """
    storage = _storage_if_any(storage_url)
    stored = read_stored_specs(storage) if storage else {}
    if name_or_path in stored:
        current = spec_from_json(stored[name_or_path])
        _check_same_sampler(current, overrides.sampler)
        spec = _override(current, overrides, read_fit(name_or_path, storage_url))
        _check_same_dataset(current, spec)
        _check_warm_start(spec, current, stored, storage_url)
        return spec
    if storage:
        check_name_is_free(name_or_path, storage, storage_url)
    in_file, file = read_study(name_or_path)
    if fit := read_fit(in_file.name, storage_url):
        in_file = restricted(in_file, fit)
    try:
        spec = _override(in_file, overrides, fit)
    except DataError as error:
        if overrides.dataset:
            raise
        written = str(file.data["dataset"])
        message = str(error)
        if close := get_close_matches(written, DATASETS, n=1):
            message = f"no dataset named {quoted(written)}; did you mean {close[0]}?"
        raise file.refusal_at(("dataset",), f"dataset: {message}") from None
    before = spec_from_json(stored[spec.name]) if spec.name in stored else None
    if before is not None:
        _check_same_sampler(before, overrides.sampler)
        with_sampler = in_file.model_copy(update={"sampler": spec.sampler})
        check_unchanged(before, with_sampler, file, storage_url)
        _check_same_dataset(before, spec)
    elif storage:
        check_name_is_free(spec.name, storage, storage_url)
    _check_warm_start(spec, before, stored, storage_url)
    return spec


def read_stored_study(name: str, storage_url: str) -> tuple[list[FrozenTrial], dict[str, Any]]:
    """The trials of a stored study and its user attributes; both empty if there is none yet."""
    storage = _storage_if_any(storage_url)
    if storage is None or name not in read_stored_specs(storage):
        return [], {}
    study = optuna.load_study(study_name=name, storage=storage)
    return study.get_trials(), study.user_attrs


def read_fit(name: str, storage_url: str) -> Fit | None:
    """What a preset has decided for a stored study; None without a preset, or a study."""
    storage = _storage_if_any(storage_url)
    if storage is None or name not in read_stored_specs(storage):
        return None
    stored = storage.get_study_system_attrs(read_study_id(name, storage)).get(PRESET)
    return stored and Fit.model_validate(stored)


def is_stored(name: str, storage_url: str) -> bool:
    """Whether the storage holds the study."""
    storage = _storage_if_any(storage_url)
    return storage is not None and name in read_stored_specs(storage)


def _storage_if_any(url: str) -> RDBStorage | None:
    """The storage for reading; None if it is empty or does not exist yet."""
    try:
        return readable_storage(url)
    except NothingYet:
        return None


def open_study(
    spec: StudySpec, fingerprint: str, storage: RDBStorage, fit: Fit | None = None
) -> optuna.Study:
    """The Optuna study of a spec, created if it does not exist, with its known configs queued.

    If a crash interrupts it, the next call finishes the remaining steps. A study that was stopped
    goes on.

    Args:
        fit: what a preset has decided; None keeps what is stored.

    Raises:
        StudyError: the study was created on other ratings, or by another program.
    """
    metric = find_metric(spec.objective.metric)
    identity = {
        SPEC: spec_to_json(spec),
        FINGERPRINT: fingerprint,
        CHECKPOINTS: token_hex(4),
        **({PRESET: fit.model_dump()} if fit else {}),
    }
    create_study(spec.name, metric.direction, identity, storage)
    check_name_is_free(spec.name, storage, storage.url)
    study = optuna.load_study(study_name=spec.name, storage=storage)
    stored = storage.get_study_system_attrs(study._study_id)
    check_same_ratings(spec, stored[FINGERPRINT], fingerprint)
    trials = study.get_trials(deepcopy=False)
    spec = with_done(spec, count_trials(trials))
    storage.set_study_system_attr(study._study_id, SPEC, spec_to_json(spec))
    if fit:
        storage.set_study_system_attr(study._study_id, PRESET, fit.model_dump())
        study.set_user_attr("preset", fit.preset)
    study.set_metric_names([metric.name])
    study.set_user_attr("dataset", spec.dataset)
    study.set_user_attr("sampler", spec.sampler.model_dump(exclude_none=True))
    study.set_user_attr("pruners", [pruner_to_mapping(pruner) for pruner in spec.pruners])
    if target := spec.objective.target:
        study.set_user_attr("target", str(target))
    with study_transaction(storage, study._study_id) as transaction:
        queued = set(transaction.user_attrs("known_config").values())
        for known in spec.known_trials():
            if known.name not in queued:
                fixed = {"fixed": known.fixed} if known.fixed else {}
                transaction.queue(known.params, {"known_config": known.name, **fixed})
    storage.set_study_system_attr(study._study_id, STOPPED, None)
    return study


def with_done(spec: StudySpec, n_done: int) -> StudySpec:
    """The spec with a total of at least the trials that are done already."""
    return spec.model_copy(update={"trials": max(spec.trials, n_done)})


def check_same_ratings(spec: StudySpec, stored_fingerprint: str, fingerprint: str) -> None:
    """Refuse ratings other than those that the study was created on."""
    if stored_fingerprint != fingerprint:
        raise StudyError(
            f"study {spec.name} was created on ratings with the fingerprint {stored_fingerprint}, "
            f"but those of {spec.dataset} have {fingerprint}; restore them, name the study's own "
            "with --dataset, or start a new study"
        )


def _check_warm_start(
    spec: StudySpec, before: StudySpec | None, stored: Mapping[str, Any], url: str
) -> None:
    """Refuse earlier studies that do not exist, unless the study has learned from them already."""
    known = before.warm_start.studies if before and before.warm_start else ()
    for name in spec.warm_start.studies if spec.warm_start else ():
        if name == spec.name:
            raise StudyError(f"study {name} cannot learn from itself; name an earlier study")
        if name not in known:
            try:
                check_exists(name, stored, url)
            except StudyError as error:
                raise StudyError(f"warm start: {error}") from None


def _check_same_dataset(stored: StudySpec, spec: StudySpec) -> None:
    """Refuse a named dataset in place of another one, before it is downloaded."""
    names = stored.dataset, spec.dataset
    if all(map(find_dataset, names)) and stored.dataset != spec.dataset:
        raise StudyError(
            f"study {spec.name} was created on {stored.dataset}, not on {spec.dataset}; leave out "
            "--dataset, or start a new study"
        )


def _check_same_sampler(stored: StudySpec, name: str | None) -> None:
    """Refuse another sampler than the study's own."""
    if name not in (None, stored.sampler.name):
        raise StudyError(
            f"study {stored.name} was created with the sampler {stored.sampler.name}, not with "
            f"{name}; leave out --sampler, or start a new study"
        )


def _override(spec: StudySpec, overrides: Overrides, fit: Fit | None) -> StudySpec:
    values: dict[str, Any] = spec.model_dump(by_alias=True)
    values["dataset"] = dataset_reference(overrides.dataset or spec.dataset)
    if overrides.keep_checkpoints is not None:
        parse_size(overrides.keep_checkpoints)  # its error is one of the command line
    names = ("trials", "columns", "duplicates", "keep_checkpoints")
    chosen = {name: getattr(overrides, name) for name in names}
    values |= {name: value for name, value in chosen.items() if value is not None}
    price = overrides.usd_per_hour
    if price is None:
        price = _price_by_preset(spec, overrides.preset or fit, fit)
    for name, usd in (("usd_per_hour", price), ("usd", overrides.budget_usd)):
        if usd is not None:
            values["budget"] = {**(values["budget"] or {}), name: usd}
    if overrides.warm_start:
        values["warm_start"] = {**(values["warm_start"] or {}), "studies": overrides.warm_start}
    if overrides.no_finish:
        values["finish"] = None
    if overrides.sampler is not None:
        values["sampler"] = spec.sampler.replaced_by(overrides.sampler)
    if overrides.explore:
        values["limits"] = None
        values["pruners"] = without_memory_limit(values["pruners"])
    if overrides.target_rmse is not None:
        values["objective"]["target"] = {"metric": "val_rmse", "below": overrides.target_rmse}
    try:
        return StudySpec.model_validate(values)
    except ValidationError as error:
        raise ConfigError(format_validation_error(error)) from None


def _price_by_preset(
    spec: StudySpec, preset: Preset | Fit | None, before: Fit | None
) -> float | None:
    """The preset's price; None if the study has one that is not its earlier preset's."""
    price = spec.budget and spec.budget.usd_per_hour
    is_default = price is None or (before is not None and price == before.usd_per_hour)
    return preset.usd_per_hour if preset and is_default else None


def without_memory_limit(pruners: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The pruners except `gpu_memory`, which is a limit like those in `limits`."""
    return [pruner for pruner in pruners if "gpu_memory" not in pruner]
