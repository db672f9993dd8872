"""From the options of `train` to the experiment that it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...base.messages import format_validation_error
from ...data.sets.loading import dataset_reference
from ...data.splits.spec import SplitSpec
from ...errors import ConfigError, OptionError
from ..architectures.configs import build_config, config_from_mapping
from ..config import config_to_mapping
from .experiment import Experiment, read_experiment


def plan_experiment(
    config: Path | None,
    architecture: str | None,
    *,
    dataset: str | None = None,
    split: str | None = None,
    split_seed: int | None = None,
    seed: int | None = None,
    epochs: int | None = None,
) -> Experiment:
    """The experiment of a config file, or of an architecture's defaults, with the other options.

    Raises:
        OptionError: neither or both are given, or a value is invalid.
    """
    if (config is None) == (architecture is None):
        raise OptionError("name one of --config FILE and --architecture NAME")
    if config is not None:
        experiment = read_experiment(config)
        if dataset is not None:
            experiment = experiment.on(dataset)
    else:
        assert architecture is not None
        if dataset is None:
            raise OptionError(f"--architecture {architecture} needs --dataset, such as demo")
        experiment = Experiment(
            config=build_config(architecture),
            dataset=dataset_reference(dataset),
            split=SplitSpec(),
        )
    options = {"seed": seed, "max_epochs": epochs}
    changes: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    cut = experiment.split
    try:
        if split is not None:
            cut = SplitSpec.parse(split, seed=cut.seed)
        if split_seed is not None:
            cut = replace(cut, seed=split_seed)
        trained = config_from_mapping({**config_to_mapping(experiment.config), **changes})
    except ValidationError as error:
        raise OptionError(format_validation_error(error)) from None
    except ConfigError as error:
        raise OptionError(str(error)) from None
    return replace(experiment, config=trained, split=cut)


def new_run_folder(experiment: Experiment) -> Path:
    """The first unused `runs/ARCHITECTURE-N`."""
    architecture = experiment.config.architecture
    number = 1
    while (folder := Path("runs", f"{architecture}-{number}")).exists():
        number += 1
    return folder
