"""A config with everything needed to repeat its training: `config.yaml`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from ...base.files import is_stream, write_output
from ...base.messages import printable
from ...base.strict import Strict
from ...base.yaml_file import YamlFile, dump_yaml
from ...data.ratings import Ratings
from ...data.sets.loading import dataset_reference, load_ratings
from ...data.splits.spec import SplitSpec
from ...errors import ConfigError, DataError
from ..architectures.configs import config_from_mapping
from ..config import TrainingConfig, config_to_mapping
from ..evaluation.metrics import VAL_RMSE, MetricName


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One training run, before or after it ran.

    Attributes:
        dataset: a dataset's name, or the absolute path of its folder.
        metric: name of the metric that decides which epoch is best.
        fingerprint: of the ratings; None to take those found when it is trained.
        origin: study and trial that the config comes from; empty for one written by hand.
        metrics: the figures reached there, by name.
        environment: versions, commit, device and threads of that training.
    """

    config: TrainingConfig
    dataset: str
    split: SplitSpec
    metric: str = VAL_RMSE.name
    fingerprint: str | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Ratings:
        """The experiment's ratings.

        Raises:
            DataError: they are unreadable, or not those that the config was found on.
        """
        ratings = load_ratings(self.dataset)
        if self.fingerprint is not None and ratings.fingerprint != self.fingerprint:
            raise DataError(
                f"{self.dataset} has other ratings (fingerprint {ratings.fingerprint}) than the "
                f"config was found on ({self.fingerprint}); restore them, or name the ones to "
                "train on with --dataset"
            )
        return ratings

    def on(self, dataset: str) -> Experiment:
        """The same training on another dataset; origin and metrics no longer apply."""
        return replace(
            self, dataset=dataset_reference(dataset), fingerprint=None, origin={}, metrics={}
        )

    def moved_to(self, dataset: str) -> Experiment:
        """The same ratings in another location."""
        return replace(self, dataset=dataset_reference(dataset))


class _Data(Strict):
    dataset: str
    fingerprint: str | None = None
    split: SplitSpec = SplitSpec()


class _Document(Strict):
    config: dict[str, Any]
    data: _Data
    metric: MetricName = VAL_RMSE.name
    origin: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    environment: dict[str, Any] = Field(default_factory=dict)


def read_experiment(path: Path) -> Experiment:
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
        config = config_from_mapping(document.config)
    except ValidationError as error:
        raise file.refusal(error) from None
    except ConfigError as error:
        raise file.refusal_at(("config", *error.at), f"config: {error}") from None
    return Experiment(
        config=config,
        dataset=document.data.dataset,
        fingerprint=document.data.fingerprint,
        split=document.data.split,
        metric=document.metric,
        origin=document.origin,
        metrics=document.metrics,
        environment=document.environment,
    )


def write_experiment(path: Path, experiment: Experiment) -> None:
    """Write a `config.yaml` that `read_experiment` and `train --config` accept.

    Raises:
        OutputError: the file cannot be written.
    """
    document = {
        "config": config_to_mapping(experiment.config),
        "data": {
            "dataset": experiment.dataset,
            "fingerprint": experiment.fingerprint,
            "split": experiment.split.to_mapping(),
        },
        **({} if experiment.metric == VAL_RMSE.name else {"metric": experiment.metric}),
        "origin": dict(experiment.origin),
        "metrics": dict(experiment.metrics),
        "environment": dict(experiment.environment),
    }
    name = "FILE" if is_stream(path) else printable(shlex.quote(path.name), 300)
    head = f"# Train it: recsys-search train --config {name}\n"
    write_output(path, head + dump_yaml(document))
