"""The comment at the top of a `config.yaml`: how to train it, and where it comes from."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ...base.files import is_stream
from ...base.messages import printable
from .ensemble_config import EnsembleConfig

if TYPE_CHECKING:
    from .experiment import Experiment


def heading(path: Path, experiment: Experiment) -> str:
    """Lines of YAML comments. Args: path: of the file."""
    if isinstance(experiment.config, EnsembleConfig):
        return "# An ensemble: evaluate and predict take its folder, like that of any run\n"
    name = "FILE" if is_stream(path) else shlex.quote(path.name)
    lines = [f"Train it: recsys-search train --config {printable(name, 300)}"]
    if experiment.environment:
        lines += [
            f"As it was trained: {training_command(experiment, name)}",
            f"From {describe_origin(experiment)}",
        ]
    return "".join(f"# {printable(line, 2000)}\n" for line in lines)


def training_command(experiment: Experiment, config: str) -> str:
    """The command that trains an experiment as it was trained, with all that it depends on.

    Args:
        config: its file, quoted for the shell.
    """
    split, environment = experiment.split, experiment.environment
    options = experiment.read_options
    words = ["--dataset", experiment.dataset]
    if options.columns:
        words += ["--columns", ",".join(f"{key}={name}" for key, name in options.columns.items())]
    if options.duplicates != "error":
        words += ["--duplicates", options.duplicates]
    words += ["--split", str(split)]
    if split.is_random:
        words += ["--split-seed", str(split.seed)]
    words += ["--seed", str(experiment.config.seed)]
    if experiment.refit_epochs is not None:
        words += ["--refit", "--epochs", str(experiment.refit_epochs)]
    if device := environment.get("device"):
        words += ["--device", str(device)]
    threads = environment.get("threads")
    variables = f"OMP_NUM_THREADS={threads} " if threads and device == "cpu" else ""
    return f"{variables}recsys-search train --config {config} {shlex.join(words)}"


def describe_origin(experiment: Experiment) -> str:
    """The trial that a config comes from, and what its training reached."""
    origin, metrics, environment = experiment.origin, experiment.metrics, experiment.environment
    source = "a training"
    if {"study", "trial"} <= origin.keys():
        source = f"trial {origin['trial']} of study {origin['study']}"
    figures = []
    if isinstance(value := metrics.get(experiment.metric), int | float):
        figures.append(f"{experiment.metric} {value:.4f}")
    if metrics.get("best_epoch"):
        figures.append(f"in epoch {metrics['best_epoch']} of {metrics.get('epochs')}")
    if environment.get("device"):
        figures.append(f"on {environment['device']} with amp {environment.get('amp')}")
    return f"{source}: {' '.join(figures)}" if figures else source
