"""A config with everything needed to repeat its training: `config.yaml`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, Json, ValidationError

from ...base.files import write_output
from ...base.messages import printable, quoted
from ...base.strict import Count, Strict
from ...base.yaml_file import YamlFile, dump_yaml
from ...data.ratings import Ratings
from ...data.sets.prepared_splits import open_split
from ...data.splits.spec import SplitSpec
from ...data.splits.split import Split
from ...data.tables.columns import ColumnNames, Duplicates, ReadOptions
from ...errors import ConfigError, DataError
from ..config import TrainingConfig, config_to_mapping
from ..evaluation.metrics import VAL_RMSE
from ..evaluation.weighted import MetricName
from .changes import (
    CHANGED_FROM,
    all_values,
    previous_values,
    record_changes,
    training_values,
)
from .ensemble_config import read_config
from .heading import heading


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One training run, before or after it ran.

    Attributes:
        dataset: a dataset's name, or the absolute path of its folder or file.
        read_options: how to read the dataset.
        metric: name of the metric that decides which epoch is best.
        fingerprint: of the ratings; None to take those found when it is trained.
        refit_epochs: if set, all ratings but the test part are trained on for this many epochs, on
            the schedules of the config's `max_epochs`; see `refit.py`.
        origin: study and trial that the config comes from, and in `changed_from` the trial's values
            of what was changed since; empty for one written by hand.
        metrics: the figures of exactly this experiment, by name; empty if it has not been trained.
        environment: versions, commit, device and threads of that training.
    """

    config: TrainingConfig
    dataset: str
    split: SplitSpec
    read_options: ReadOptions = field(default_factory=ReadOptions)
    metric: str = VAL_RMSE.name
    fingerprint: str | None = None
    refit_epochs: int | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Ratings:
        """The experiment's ratings.

        Raises:
            DataError: they are unreadable, or not those that the config was found on.
        """
        from ...data.sets.loading import load_ratings  # pandas: slow, and no config needs it

        ratings = load_ratings(self.dataset, options=self.read_options)
        if self.fingerprint is not None and ratings.fingerprint != self.fingerprint:
            raise DataError(
                f"{self.dataset} has other ratings (fingerprint {ratings.fingerprint}) than the "
                f"config was found on ({self.fingerprint}); restore them, or name the ones to "
                "train on with --dataset"
            )
        return ratings

    def cut(self, ratings: Ratings) -> Split:
        """The split that the experiment trains on; a refit's has no validation ratings.

        Raises:
            DataError: as for `open_split`.
        """
        split = open_split(ratings, self.split)
        return split if self.refit_epochs is None else split.refit()

    @property
    def epochs(self) -> int:
        """The epochs after which training ends, if nothing ends it before."""
        return self.refit_epochs or self.config.max_epochs

    def on(self, dataset: str) -> Experiment:
        """The same training on another dataset."""
        from ...data.sets.loading import dataset_reference  # as in `load`

        other = replace(self, dataset=dataset_reference(dataset), fingerprint=None)
        return other._changed({"dataset": self.dataset, "fingerprint": self.fingerprint})

    def moved_to(self, dataset: str) -> Experiment:
        """The experiment with the same ratings in another location."""
        from ...data.sets.loading import dataset_reference  # as in `load`

        return replace(self, dataset=dataset_reference(dataset))

    def edited(self, *, config: TrainingConfig, split: SplitSpec) -> Experiment:
        """The experiment with another config and split.

        Unlike `dataclasses.replace`, it records in `origin` what changed, and drops the figures if
        anything did.
        """
        other = replace(self, config=config, split=split)
        return other._changed(previous_values(training_values(self), training_values(other)))

    def pinned(self, fingerprint: str) -> Experiment:
        """The experiment, limited to the ratings with this fingerprint."""
        other = replace(self, fingerprint=fingerprint)
        return replace(other, origin=record_changes(self.origin, {}, all_values(other)))

    def _changed(self, previous: Mapping[str, Any]) -> Experiment:
        """The experiment with a record of the previous values and without figures.

        Without previous values it stays as it is.
        """
        if not previous:
            return self
        origin = record_changes(self.origin, previous, all_values(self))
        return replace(self, origin=origin, metrics={}, environment={})


class _Data(Strict):
    dataset: str
    columns: ColumnNames = Field(default_factory=dict)
    duplicates: Duplicates = "error"
    fingerprint: str | None = None
    split: SplitSpec = SplitSpec()


def _check_origin(origin: dict[str, Any]) -> dict[str, Any]:
    changed = origin.get(CHANGED_FROM, {})
    if not isinstance(changed, dict):
        raise ValueError(f"{CHANGED_FROM} must be a table, got {quoted(changed)}")
    return origin


def _check_size(values: dict[str, Any]) -> dict[str, Any]:
    """Refuse whole numbers that a run's config.yaml could not be read with again."""
    for value in values.values():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int) and not -(2**63) <= number < 2**63:
                raise ValueError(f"{printable(number)} exceeds 64 bits; write a smaller number")
    return values


class _Document(Strict):
    config: dict[str, Any]
    data: _Data
    metric: MetricName = VAL_RMSE.name
    refit_epochs: Count | None = None
    origin: Annotated[dict[str, Any], AfterValidator(_check_origin)] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    environment: dict[str, Any] = Field(default_factory=dict)
    as_trained: Annotated[Json[dict[str, Any]], AfterValidator(_check_size)] | None = None


@dataclass(frozen=True)
class ConfigFile:
    """A `config.yaml` as read.

    Attributes:
        experiment: if the file was edited after its training, `origin` records the changes and the
            figures are left out.
        defaults: values of config and split that the file leaves out, by name.
        reveals_edits: whether the file has `as_trained`, which shows whether it was edited.
    """

    experiment: Experiment
    defaults: Mapping[str, Any]
    reveals_edits: bool


def read_experiment(path: Path) -> Experiment:
    """The experiment of a `config.yaml`; raises what `read_config_file` does."""
    return read_config_file(path).experiment


def read_config_file(path: Path) -> ConfigFile:
    """Read a `config.yaml`.

    Raises:
        ConfigError: names the file, the line and what is wrong.
    """
    try:
        file = YamlFile(path)
    except FileNotFoundError:
        raise ConfigError(
            f"no config at {path}; write one with: recsys-search best --export {path}"
        ) from None
    try:
        document = _Document.model_validate(file.data)
        config = read_config(document.config)
    except ValidationError as error:
        raise file.refusal(error) from None
    except ConfigError as error:
        raise file.refusal_at(("config", *error.at), f"config: {error}") from None
    if (document.refit_epochs or 0) > config.max_epochs:
        raise file.refusal_at(
            ("refit_epochs",),
            f"refit_epochs must be at most max_epochs ({config.max_epochs}), "
            f"got {document.refit_epochs}",
        )
    experiment = Experiment(
        config=config,
        dataset=document.data.dataset,
        read_options=ReadOptions(document.data.columns, document.data.duplicates),
        fingerprint=document.data.fingerprint,
        split=document.data.split,
        metric=document.metric,
        refit_epochs=document.refit_epochs,
        origin=document.origin,
        metrics=document.metrics,
        environment=document.environment,
    )
    if document.as_trained is not None:
        previous = previous_values(document.as_trained, training_values(experiment))
        experiment = experiment._changed(previous)
    return ConfigFile(
        experiment,
        defaults=_defaults(experiment, document.config, file.data["data"].get("split")),
        reveals_edits=document.as_trained is not None,
    )


def _nondefault(options: ReadOptions) -> dict[str, Any]:
    """The options that differ from their defaults, in the file's notation."""
    defaults = ReadOptions()
    values = {"columns": dict(options.columns), "duplicates": options.duplicates}
    return {name: value for name, value in values.items() if value != getattr(defaults, name)}


def _defaults(
    experiment: Experiment, config: Mapping[str, Any], split: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Values of the experiment that the mappings of its file leave out."""
    spec = experiment.split
    return {
        **({"split": spec} if split is None else {}),
        **{
            f"split {name}": value
            for name, value in spec.values().items()
            if split is not None and name not in split
        },
        **{
            name: value
            for name, value in config_to_mapping(experiment.config).items()
            if name not in config
        },
    }


def write_experiment(path: Path, experiment: Experiment) -> None:
    """Write a `config.yaml` that `read_experiment` and `train --config` accept.

    Args:
        path: where to, as for `write_output`.

    Raises:
        OutputError: the file cannot be written.
    """
    document = {
        "config": config_to_mapping(experiment.config),
        "data": {
            "dataset": experiment.dataset,
            **_nondefault(experiment.read_options),
            "fingerprint": experiment.fingerprint,
            "split": experiment.split.to_mapping(),
        },
        **({} if experiment.metric == VAL_RMSE.name else {"metric": experiment.metric}),
        **({} if experiment.refit_epochs is None else {"refit_epochs": experiment.refit_epochs}),
        "origin": dict(experiment.origin),
        "metrics": dict(experiment.metrics),
        "environment": dict(experiment.environment),
    }
    if experiment.origin or experiment.metrics:
        # As JSON in one string, which a search and replace of the values above does not change.
        document["as_trained"] = json.dumps(training_values(experiment), ensure_ascii=False)
    write_output(path, heading(path, experiment) + dump_yaml(document))
