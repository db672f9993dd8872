"""Runs: a training's weights, curves and config in one folder.

RUN/config.yaml          the experiment, with what it reached
RUN/reports.jsonl        one epoch a line
RUN/weights.safetensors  of the best epoch
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from ..data.ledger import Ledger
from ..data.pairs import AskedPairs
from ..data.ratings import Ratings
from ..data.splits import Split, open_test, split_ratings
from ..errors import RunError
from ..files import is_file
from ..interrupts import Interrupts
from .architectures import build_model
from .config import config_to_mapping
from .device import resolve_device
from .experiment import Experiment, environment, read_experiment, write_experiment
from .metrics import beside_noise, prediction_errors
from .ranking import full_catalogue, held_out_rated
from .rating_model import RatingModel
from .reports import EpochReport, write_reports
from .store import Pairs, TrainStore
from .training import Training, bias_rmse

CONFIG, REPORTS, WEIGHTS = "config.yaml", "reports.jsonl", "weights.safetensors"


def train_run(
    experiment: Experiment,
    out: Path,
    *,
    device: str = "auto",
    on_epoch: Callable[[Training, EpochReport], None] = lambda training, report: None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> dict[str, Any]:
    """Trains to the end and saves the best epoch as a run.

    On Ctrl-C or SIGTERM it ends after the epoch, on a second one at once, and saves what there is.

    Args:
        out: a folder that is not there yet.
        on_epoch: called after each epoch.
        tell: given a sentence about the split, or when training is cut short.

    Returns:
        What `train --json` prints.

    Raises:
        RunError: `out` is in the way, or no epoch came to a finite validation RMSE.
        KeyboardInterrupt: on Ctrl-C, when the run is saved.
        SystemExit: 143 on SIGTERM, likewise.
    """
    _check_free(out)
    ratings = experiment.load()
    split = split_ratings(ratings, experiment.split)
    if split.note:
        tell(split.note)
    interrupts = Interrupts(tell)
    with Training(experiment.config, split, device) as training:
        bias_val_rmse = training.bias_val_rmse
        with interrupts.caught():
            for report in training:
                on_epoch(training, report)
                if interrupts.received or not report.finite:
                    break
    if training.best is None:
        interrupts.leave()
        raise RunError(
            "training diverged: no epoch came to a finite validation RMSE; "
            f"lower learning_rate ({experiment.config.learning_rate:g})"
        )
    best = training.best.report
    train_s = sum(report.train_s for report in training.reports)
    result = {
        "val_rmse": best.val_rmse,
        "val_mse": best.val_mse,
        "bias_val_rmse": bias_val_rmse,
        "best_epoch": best.epoch,
        "epochs": len(training.reports),
        "stop_reason": _stop_reason(training, interrupts),
        "train_s": round(train_s, 3),
    }
    done = replace(
        experiment,
        fingerprint=ratings.fingerprint,
        metrics=result,
        environment=environment(
            device=str(training.device), amp=training.amp, threads=torch.get_num_threads()
        ),
    )
    _save(out, done, training)
    if result["stop_reason"] in ("interrupted", "diverged"):
        tell(f"{result['stop_reason']} in epoch {result['epochs']}; saved {out} as it was best")
    interrupts.leave()
    ratings_per_s = len(split.train) * len(training.reports) / train_s
    return {"run": str(out), **result, "ratings_per_s": round(ratings_per_s)}


@dataclass(frozen=True)
class Run:
    """A trained model with the ratings it was trained on."""

    experiment: Experiment
    ratings: Ratings
    split: Split
    model: RatingModel

    @classmethod
    def load(cls, folder: Path, device: str = "auto", dataset: str | None = None) -> Run:
        """Opens a run and the dataset it names.

        Args:
            dataset: where its ratings are now, if they have moved.

        Raises:
            RunError: no run there, or one whose weights do not fit its config.
        """
        if not is_file(folder / CONFIG) or not is_file(folder / WEIGHTS):
            raise RunError(
                f"no run at {folder}; make one with: "
                "recsys-search train --architecture two_tower --dataset demo --out runs/first"
            )
        experiment = read_experiment(folder / CONFIG)
        if dataset is not None:
            experiment = experiment.moved_to(dataset)
        ratings = experiment.load()
        split = split_ratings(ratings, experiment.split)
        store = TrainStore.build(split.train, resolve_device(device))
        with torch.random.fork_rng():  # the weights drawn here are replaced at once
            model = build_model(experiment.config, store)
        try:
            model.load_state_dict(load_file(folder / WEIGHTS))
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"{folder / WEIGHTS} does not fit {CONFIG}: {reason}") from None
        return cls(experiment, ratings, split, model.eval())

    def evaluate(self, split: Literal["validation", "test"]) -> dict[str, Any]:
        """What `evaluate --json` prints.

        Opening the test split is for the end of a search: the ledger counts each opening, and
        `opening` says which this is.

        Raises:
            DataError: the split has no test part, or its opening cannot be written down.
        """
        spec, store = self.experiment.split, self.model.store
        opening = None
        if split == "test":
            part = open_test(self.ratings, spec)
            opening = Ledger().record_opening(
                self.split.fingerprint,
                config=config_to_mapping(self.experiment.config),
                dataset=self.experiment.dataset,
                split=spec,
                command="evaluate",
            )
        else:
            part = self.split.validation
        pairs = store.held_out(part)
        rating = torch.from_numpy(part.rating).to(store.device)
        score = self.model.score(pairs)
        predicted = self.model.likelihood.expected(score)
        expected = None
        if part.expected is not None:
            expected = torch.from_numpy(part.expected).to(store.device)
        return {
            "split": split,
            "opening": opening,
            "n": len(part),
            **asdict(prediction_errors(predicted, rating)),
            "bias_rmse": bias_rmse(store, pairs, rating),
            **asdict(beside_noise(predicted, rating, expected)),
            "ranking": {
                "held_out_rated": held_out_rated(store, part, score),
                "full_catalogue": full_catalogue(self.model, part),
            },
            "dataset": self.experiment.dataset,
            "fingerprint": self.ratings.fingerprint,
        }

    def predict(self, asked: AskedPairs) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Expected stars (n,), and whether both user and film were trained on (n,).

        The sums of a pair that is a train rating leave it out, as they did in training.
        """
        store = self.model.store
        user, film = (torch.from_numpy(index) for index in asked.indices(self.ratings))
        timestamp = None if asked.timestamp is None else torch.from_numpy(asked.timestamp)
        pairs = Pairs(user, film, timestamp, torch.full_like(user, -1)).to(store.device)
        pairs = replace(pairs, row=store.rows_of(pairs.user, pairs.film))
        return self.model.predict(pairs).cpu().numpy(), store.knows(pairs).cpu().numpy()


def _stop_reason(training: Training, interrupts: Interrupts) -> str | None:
    """In the design's words; None where the last epoch was reached."""
    if training.ended_by_patience:
        return "plateau"
    if len(training.reports) == training.config.max_epochs:
        return None
    return "interrupted" if interrupts.received else "diverged"


def _check_free(out: Path) -> None:
    """Refuses, before hours of training, what would refuse their result."""
    if out.exists():
        raise RunError(f"{out} is there already; choose another --out, or remove it")
    parent = out.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise RunError(f"{out} cannot be made: {parent} is no folder one can write to")


def _save(out: Path, experiment: Experiment, training: Training) -> None:
    """All or nothing: the folder appears under its name when it is complete."""
    assert training.best is not None
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        partial = Path(folder, out.name)
        partial.mkdir()
        write_experiment(partial / CONFIG, experiment)
        write_reports(partial / REPORTS, training.reports)
        save_file(training.best.weights, partial / WEIGHTS)
        (partial / WEIGHTS).chmod((partial / CONFIG).stat().st_mode)  # safetensors says 0600
        partial.rename(out)
