"""Trains a study's best trials and combines them into an ensemble."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import NothingYet, OptionError
from ...model.architectures.configs import config_from_mapping
from ...model.config import config_to_mapping
from ...model.ensembles.combine import combine_runs
from ...model.runs.changes import training_values
from ...model.runs.ensemble_config import Weighting
from ...model.runs.experiment import Experiment
from ...model.runs.run import CONFIG, run_experiment
from ...model.runs.run_folder import check_creatable, checkpoint_folder
from ...model.runs.train_run import train_run
from ...model.training.reports import EpochReport
from ...model.training.training import Training
from .reader import StudyReader


def ensemble_trials(
    name: str | None,
    storage_url: str,
    out: Path,
    *,
    top: int = 5,
    weighting: Weighting = "greedy",
    dataset: str | None = None,
    device: str = "auto",
    on_epoch: Callable[[Training, EpochReport], None] = lambda training, report: None,
    notify: Callable[[str], None] = lambda message: None,
) -> dict[str, Any]:
    """Train the `top` best trials, the confirmed ones first, and combine them into an ensemble.

    A study keeps no weights of completed trials, so they are trained again from their configs, all
    but the best with other seeds: models with one seed err more alike, and their mean gains less.
    The trained ones are kept next to `out` until all are combined: after an interruption, another
    call with the same `out` trains what is missing.

    Args:
        name: of the study; may be None if the storage holds only one.
        on_epoch, notify: as for `train_run`.

    Returns:
        The figures of `combine_runs`.

    Raises:
        OptionError: `top` is below 2.
        NothingYet: fewer than two trials have completed.
        StudyError: no such study.
        RunError, KeyboardInterrupt, SystemExit: as for `train_run`.
    """
    if top < 2:
        raise OptionError(f"top must be at least 2, got {top}: an ensemble has several members")
    reader = StudyReader(storage_url, name)
    trials = reader.ranking().top(top)
    study = reader.spec.name
    if len(trials) < 2:
        raise NothingYet(f"{study} has one completed trial, and an ensemble needs two")
    if len(trials) < top:
        notify(f"only {len(trials)} of {top} trials: no other has completed")
    check_creatable(out)
    numbers = [trial.number for trial in trials]
    folders, names = [], []
    for rank, number in enumerate(numbers):
        experiment = _with_own_seed(reader.experiment(number), rank)
        names.append(_name(experiment, rank))
        if dataset is not None:
            experiment = experiment.moved_to(dataset)
        folder = members_folder(out) / f"trial-{number}"
        if _is_trained(experiment, folder):
            notify(f"trial {number} has been trained already")
        else:
            notify(f"training trial {number}")
            train_run(experiment, folder, device=device, on_epoch=on_epoch, notify=notify)
        folders.append(folder)
    result = combine_runs(
        folders,
        out,
        weighting=weighting,
        names=names,
        origin={"study": study, "trials": numbers},
        dataset=dataset,
        device=device,
        notify=notify,
    )
    shutil.rmtree(members_folder(out), ignore_errors=True)
    return result


def _with_own_seed(experiment: Experiment, rank: int) -> Experiment:
    """The experiment with a seed that is `rank` above its own, if it has any."""
    values = config_to_mapping(experiment.config)
    if rank == 0 or "seed" not in values:
        return experiment
    config = config_from_mapping({**values, "seed": (values["seed"] + rank) % 2**31})
    return experiment.edited(config=config, split=experiment.split)


def _name(experiment: Experiment, rank: int) -> str:
    """Such as `trial 3 of demo (seed 44)`; without the seed if it is the trial's."""
    name = f"trial {experiment.origin['trial']} of {experiment.origin['study']}"
    seed = config_to_mapping(experiment.config).get("seed")
    return name if rank == 0 or seed is None else f"{name} (seed {seed})"


def members_folder(out: Path) -> Path:
    """The folder, next to the ensemble's, of members that are trained before it is complete."""
    place = out.absolute()
    return place.parent / f".{place.name[:200]}.members"


def _is_trained(experiment: Experiment, folder: Path) -> bool:
    """Whether the folder has the run of the experiment, trained to its end.

    A run that cannot be completed, or is another experiment's, is removed.
    """
    if checkpoint_folder(folder).is_dir() or not (folder / CONFIG).is_file():
        return False
    found = run_experiment(folder)
    is_same = training_values(found) == training_values(experiment)
    if is_same and found.metrics.get("stop_reason") != "interrupted":
        return True
    shutil.rmtree(folder)
    return False
