"""Combines runs into an ensemble, which is a run itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from ...base.messages import printable
from ...data.splits.split import Split
from ...errors import OptionError, RunError
from ..evaluation.metrics import VAL_RMSE
from ..runs.changes import previous_values
from ..runs.ensemble_config import EnsembleConfig, EnsembleMember, Weighting
from ..runs.environment import current_environment
from ..runs.experiment import Experiment
from ..runs.run import WEIGHTS, load_model, run_experiment
from ..runs.run_folder import check_creatable, save_folder
from ..store.train_store import TrainStore
from ..training.device import resolve_device
from ..training.quality import bias_rmse
from .gain import Gain, paired_gain
from .weights import WEIGHTINGS, Array, cross_fitted_errors, fit_weights


@dataclass(frozen=True)
class Candidate:
    """A run that may become a member of an ensemble.

    Attributes:
        name: in messages and in the ensemble's config.
    """

    folder: Path
    name: str
    experiment: Experiment


def combine_runs(
    folders: Sequence[Path],
    out: Path,
    *,
    weighting: Weighting = "greedy",
    names: Sequence[str] | None = None,
    origin: Mapping[str, Any] | None = None,
    dataset: str | None = None,
    device: str = "auto",
    notify: Callable[[str], None] = lambda message: None,
) -> dict[str, Any]:
    """Combine runs of one split into an ensemble, and save it as a run.

    Args:
        folders: of at least two runs, of any architectures.
        weighting: `equal`, or `greedy` to fit the weights on the validation ratings.
        names: of the runs. [default: their folders]
        origin: of the ensemble's experiment.
        dataset: where the ratings are now, if they have moved.
        notify: called with a message if the ensemble is saved in another folder than `out`.

    Returns:
        The figures that `ensemble --json` prints.

    Raises:
        OptionError: there are fewer than two runs, or one is named twice.
        RunError: a folder is no run, cannot be a member, or was trained on other ratings or another
            split than the first; or `out` exists or cannot be created.
        DataError: the ratings are unreadable or have changed.
    """
    candidates = [
        Candidate(folder, name, run_experiment(folder))
        for folder, name in zip(folders, names or list(map(str, folders)), strict=True)
    ]
    _check(candidates)
    check_creatable(out)
    first = candidates[0].experiment
    if dataset is not None:
        first = first.moved_to(dataset)
    split = first.cut(first.load())
    store = TrainStore.of(split.train, resolve_device(device))
    errors = _errors(candidates, split, store)
    weights = fit_weights(errors, WEIGHTINGS[weighting])
    rated = {name: cross_fitted_errors(errors, fit) for name, fit in WEIGHTINGS.items()}
    figures = _figures(candidates, weighting, errors, weights, rated)
    pairs, rating = store.held_out(split.validation), torch.from_numpy(split.validation.rating)
    figures["bias_val_rmse"] = bias_rmse(store, pairs, rating.to(store.device))
    chosen = [(each, weight) for each, weight in zip(candidates, weights, strict=True) if weight]
    experiment = replace(
        first,
        config=EnsembleConfig(
            weighting=weighting,
            members=tuple(
                EnsembleMember(run=each.name, weight=weight, config=each.experiment.config)
                for each, weight in chosen
            ),
        ),
        metric=VAL_RMSE.name,  # which the weights are fitted to
        origin=origin or {},
        metrics={name: value for name, value in figures.items() if name != "members"},
        environment=current_environment(
            device=str(store.device), amp="off", threads=torch.get_num_threads()
        ),
    )
    saved = save_folder(out, experiment, [], _joined_weights([each.folder for each, _ in chosen]))
    if saved != out:
        notify(f"{out} was created meanwhile by another program; saved the ensemble in {saved}")
    return {"run": str(saved), **figures}


def _check(candidates: Sequence[Candidate]) -> None:
    """Refuse runs that cannot be combined, and name the first of them."""
    if len(candidates) < 2:
        raise OptionError(f"an ensemble needs at least two runs, got {len(candidates)}")
    seen: dict[Path, str] = {}
    for each in candidates:
        place = each.folder.resolve()
        if place in seen:
            raise OptionError(f"{each.name} is named twice; name each run once")
        seen[place] = each.name
        if isinstance(each.experiment.config, EnsembleConfig):
            members = ", ".join(member.run for member in each.experiment.config.members)
            raise RunError(f"{each.name} is an ensemble; name its members instead: {members}")
        if each.experiment.refit_epochs is not None:
            raise RunError(
                f"{each.name} is a refit, which has no validation figures to weigh it by; name the "
                "run that it was refitted from"
            )
    first, *others = candidates
    for each in others:
        _check_same_split(first, each)


def _check_same_split(first: Candidate, other: Candidate) -> None:
    ours, theirs = first.experiment, other.experiment
    if theirs.fingerprint != ours.fingerprint:
        raise RunError(
            f"{other.name} was trained on other ratings (fingerprint {theirs.fingerprint}) than "
            f"{first.name} ({ours.fingerprint}); combine runs of the same ratings"
        )
    if theirs.split != ours.split:
        before, now = ours.split.to_mapping(), theirs.split.to_mapping()
        differs = (
            f"{k} {printable(now[k])}, not {v}" for k, v in previous_values(before, now).items()
        )
        raise RunError(
            f"{other.name} was trained on another split than {first.name} ({'; '.join(differs)}): "
            "its train ratings would be among those that the ensemble is validated on; combine "
            "runs of the same split"
        )


def _errors(candidates: Sequence[Candidate], split: Split, store: TrainStore) -> Array:
    """(n, K) expected ratings minus ratings, of each candidate on each validation rating."""
    pairs = store.held_out(split.validation)
    predicted = [
        load_model(each.folder, each.experiment, store).predict(pairs).cpu().numpy()
        for each in candidates
    ]
    errors: Array = np.stack(predicted, 1).astype(float) - split.validation.rating[:, None]
    return errors


def _figures(
    candidates: Sequence[Candidate],
    weighting: Weighting,
    errors: Array,
    weights: Array,
    rated: Mapping[str, Array],
) -> dict[str, Any]:
    """The figures of the members, the ensemble, and its gain over the best member.

    Args:
        errors: (n, K) of the members.
        rated: (n,) cross-fitted errors by weighting.
    """
    rmse = [_rmse(column) for column in errors.T]
    best = int(np.argmin(rmse))
    gain: Gain = paired_gain(rated[weighting], errors[:, best])
    return {
        "weighting": weighting,
        "val_rmse": _rmse(rated[weighting]),
        "val_mse": _rmse(rated[weighting]) ** 2,
        **{f"{name}_val_rmse": _rmse(each) for name, each in rated.items()},
        "in_sample_val_rmse": _rmse(errors @ weights),
        "best_member": candidates[best].name,
        "best_member_val_rmse": rmse[best],
        "gain": asdict(gain),
        "n": len(errors),
        "members": [
            {
                "run": each.name,
                "architecture": each.experiment.config.architecture,
                "val_rmse": value,
                "weight": float(weight),
            }
            for each, value, weight in zip(candidates, rmse, weights, strict=True)
        ],
    }


def _rmse(errors: Array) -> float:
    return sqrt(float(np.square(errors).mean()))


def _joined_weights(folders: Sequence[Path]) -> dict[str, Tensor]:
    """The weights of several runs, named as in a `Mixture` of their models."""
    return {
        f"members.{at}.{name}": tensor
        for at, folder in enumerate(folders)
        for name, tensor in load_file(folder / WEIGHTS).items()
    }
