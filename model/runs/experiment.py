"""A config with all that it takes to repeat its training: `config.yaml`. Knows no torch."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from ...base.files import write_whole
from ...base.messages import plain
from ...base.strict import Strict
from ...base.yaml_file import YamlFile, dump_yaml
from ...data.ratings import Ratings
from ...data.sets.datasets import dataset_reference, load_ratings
from ...data.splits.spec import SplitSpec
from ...errors import ConfigError, DataError
from ..architectures.configs import config_from_mapping
from ..config import TrainingConfig, config_to_mapping
from ..evaluation.metrics import VAL_RMSE, MetricName

PACKAGES = ("recsys-search", "torch", "numpy", "optuna")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One training run, before or after it ran.

    Attributes:
        dataset: a dataset's name or the absolute path of its folder.
        metric: name of the metric that decides which epoch is best.
        fingerprint: of its ratings; None for those found when it is trained.
        origin: study and trial that the config came from, empty for one written by hand.
        metrics: what it reached there, by name.
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
            DataError: unreadable, or not those that the config was found on.
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
        """The same training on another dataset, whatever its ratings: no study found it there."""
        return replace(
            self, dataset=dataset_reference(dataset), fingerprint=None, origin={}, metrics={}
        )

    def moved_to(self, dataset: str) -> Experiment:
        """The same ratings in another place."""
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
    """Reads a `config.yaml`.

    Raises:
        ConfigError: names the file, the line and what is wrong there.
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
    """Writes a `config.yaml` that `read_experiment` and `train --config` take.

    Raises:
        OutputError: it cannot be written there.
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
    head = f"# Train it: recsys-search train --config {plain(path.name)}\n"
    text = head + dump_yaml(document)
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


@cache
def environment(*, device: str, amp: str, threads: int) -> dict[str, Any]:
    """What a result depends on besides its config."""
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "commit": _commit(),
        "machine": platform.machine(),
        "device": device,
        "amp": amp,
        "threads": threads,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Of this package's checkout; None where it is installed from a wheel."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", os.fspath(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(git, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
