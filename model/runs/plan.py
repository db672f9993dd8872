"""From the options of `train` to the experiment that it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...base.messages import format_validation_error, printable
from ...data.sets.loading import dataset_reference
from ...data.splits.methods import SHARES
from ...data.splits.spec import SplitSpec
from ...data.tables.columns import Duplicates, ReadOptions
from ...errors import ConfigError, OptionError
from ..architectures.configs import build_config, config_fields, config_from_mapping
from ..config import config_to_mapping
from .ensemble_config import EnsembleConfig
from .experiment import ConfigFile, Experiment, read_config_file
from .refit import plan_refit

# The config field that each option of `train` sets.
FIELD_OPTIONS = {"seed": "--seed", "max_epochs": "--epochs"}
MAX_DEFAULTS = 6  # named in a notice


def plan_experiment(
    config: Path | None,
    architecture: str | None,
    *,
    dataset: str | None = None,
    columns: Mapping[str, str] | None = None,
    duplicates: Duplicates | None = None,
    split: str | None = None,
    split_seed: int | None = None,
    seed: int | None = None,
    epochs: int | None = None,
    refit: bool = False,
    notify: Callable[[str], None] = lambda message: None,
) -> Experiment:
    """The experiment of a config file, or of an architecture's defaults, with the other options.

    Args:
        epochs: the config's `max_epochs`; in a refit, the number of epochs to train.
        refit: train on train and validation ratings; also without it, the config of a refit is that
            of a refit.
        notify: called with messages about fields that the file leaves to their defaults, and about
            options without effect: a seed or epochs for a model that has no such field, a seed for
            a split that is not random.

    Raises:
        OptionError: neither or both are given, a value is invalid, or a refit's number of epochs is
            unknown.
    """
    if (config is None) == (architecture is None):
        raise OptionError("name one of --config FILE and --architecture NAME")
    options = {"seed": seed, "max_epochs": None if refit else epochs}
    values = {name: value for name, value in options.items() if value is not None}
    if config is not None:
        experiment = _read(config, _overridden(values, split, split_seed), notify)
        read_options = experiment.read_options.overridden(columns, duplicates)
        experiment = replace(experiment, read_options=read_options)
        if dataset is not None:
            experiment = _on(experiment, dataset)
    else:
        assert architecture is not None
        if dataset is None:
            raise OptionError(f"--architecture {architecture} needs --dataset, such as demo")
        experiment = Experiment(
            config=build_config(architecture),
            dataset=dataset_reference(dataset),
            read_options=ReadOptions().overridden(columns, duplicates),
            split=SplitSpec(),
        )
    if experiment.refit_epochs is None and not refit:
        return _with_options(experiment, values, split, split_seed, notify)
    values.pop("max_epochs", None)
    changed = _with_options(experiment, values, split, split_seed, notify)
    return plan_refit(changed, epochs, notify)


def _read(path: Path, overridden: set[str], notify: Callable[[str], None]) -> Experiment:
    """The experiment of a config file.

    Args:
        overridden: names in `ConfigFile.defaults` whose values come from options.
    """
    file = read_config_file(path)
    if isinstance(file.experiment.config, EnsembleConfig):
        raise OptionError(
            f"{printable(path, 200)} describes an ensemble, which is not trained; train its "
            "members, then combine their runs with: recsys-search ensemble RUN RUN"
        )
    if note := _describe_defaults(path, file, overridden):
        notify(note)
    if file.reveals_edits or not file.experiment.metrics:
        return file.experiment
    notify(
        f"{printable(path, 200)} has no as_trained, which older versions did not write: edits to "
        "it cannot be detected, so its figures are not compared with the training's"
    )
    return replace(file.experiment, metrics={}, environment={})


def _with_options(
    experiment: Experiment,
    values: Mapping[str, Any],
    split: str | None,
    split_seed: int | None,
    notify: Callable[[str], None],
) -> Experiment:
    """The experiment with config values and a split from the command line."""
    known = config_fields(experiment.config.architecture)
    applied = {name: value for name, value in values.items() if name in known}
    spec = experiment.split
    try:
        if split is not None:
            spec = SplitSpec.parse(split, seed=spec.seed)
        if split_seed is not None and spec.is_random:
            spec = replace(spec, seed=split_seed)
        config = config_from_mapping({**config_to_mapping(experiment.config), **applied})
    except ValidationError as error:
        raise OptionError(format_validation_error(error)) from None
    except ConfigError as error:
        raise OptionError(str(error)) from None
    ignored = []
    if unknown := [FIELD_OPTIONS[name] for name in values if name not in known]:
        ignored.append(f"{_join(unknown)} on {experiment.config.architecture}")
    if split_seed is not None and not spec.is_random:
        ignored.append(f"--split-seed on a {spec.method} split")
    if ignored:
        notify(f"without effect: {', '.join(ignored)}")
    return experiment.edited(config=config, split=spec)


def _on(experiment: Experiment, dataset: str) -> Experiment:
    """The experiment on other ratings, or on its own ratings in another location."""
    other = experiment.on(dataset)
    expected = experiment.fingerprint
    if expected is not None and other.load().fingerprint == expected:
        return experiment.moved_to(dataset)
    return other


def _overridden(values: Mapping[str, Any], split: str | None, split_seed: int | None) -> set[str]:
    """Names in `ConfigFile.defaults` whose values come from options."""
    names = set(values)
    if split is not None:
        names |= {"split", *(f"split {name}" for name in (*SHARES, "k"))}
    if split_seed is not None:
        names.add("split seed")
    return names


def _describe_defaults(path: Path, file: ConfigFile, overridden: set[str]) -> str | None:
    """The fields that neither file nor options set, with their defaults; None if all are set."""
    left = [f"{name} ({value})" for name, value in file.defaults.items() if name not in overridden]
    if not left:
        return None
    if len(left) > MAX_DEFAULTS:
        left = [*left[: MAX_DEFAULTS - 1], f"{len(left) - MAX_DEFAULTS + 1} other fields"]
    whose = "its default" if len(left) == 1 else "their defaults"
    return f"{printable(path, 200)} leaves {_join(left)} to {whose}"


def _join(names: list[str]) -> str:
    """`a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def new_run_folder(experiment: Experiment) -> Path:
    """The first unused `runs/ARCHITECTURE-N`."""
    return new_folder(experiment.config.architecture)


def new_folder(name: str) -> Path:
    """The first unused `runs/NAME-N`."""
    number = 1
    while (folder := Path("runs", f"{name}-{number}")).exists():
        number += 1
    return folder
