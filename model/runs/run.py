"""A run: the weights, curves and config of one training, in a folder.

RUN/config.yaml          the experiment with its results
RUN/reports.jsonl        one epoch per line
RUN/weights.safetensors  of the best epoch

An ensemble is a run too: config.yaml has its members' configs and weights, and weights.safetensors
the weights of all their models.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from ...base.files import is_file
from ...data.formats.pairs import UserFilmPairs
from ...data.ratings import Ratings
from ...data.splits.ledger import Ledger
from ...data.splits.split import Split, open_test, split_fingerprint
from ...errors import RunError
from ..architectures.models import build_model
from ..components.mixture import Mixture
from ..components.rating_model import RatingModel
from ..config import TrainingConfig, VaeConfig, config_to_mapping
from ..evaluation.calibration import calibration
from ..evaluation.prediction_errors import compare_to_noise_floor, prediction_errors
from ..evaluation.ranking import full_catalogue, held_out_rated
from ..store.train_store import Pairs, TrainStore
from ..training.device import resolve_device
from ..training.quality import bias_rmse
from .ensemble_config import EnsembleConfig
from .experiment import Experiment, read_experiment

CONFIG, REPORTS, WEIGHTS = "config.yaml", "reports.jsonl", "weights.safetensors"


def run_experiment(folder: Path) -> Experiment:
    """The experiment that a run trained.

    Raises:
        RunError: there is no run in the folder.
        ConfigError: its config.yaml is invalid.
    """
    if not is_file(folder / CONFIG) or not is_file(folder / WEIGHTS):
        raise RunError(
            f"no run at {folder}; make one with: "
            "recsys-search train --architecture two_tower --dataset demo --out runs/first"
        )
    return read_experiment(folder / CONFIG)


def load_model(folder: Path, experiment: Experiment, store: TrainStore) -> RatingModel:
    """The trained model of a run, or its ensemble of them, in eval mode.

    Args:
        store: of the ratings that it was trained on.

    Raises:
        RunError: its weights do not fit its config.
    """
    config = experiment.config.for_split(is_random=experiment.split.is_random)
    # The random weights are replaced right away. They are drawn on the CPU: a list of GPUs would
    # start CUDA on each.
    with torch.random.fork_rng([]):
        model = _build(config, store)
    try:
        model.load_state_dict(load_file(folder / WEIGHTS))
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"{folder / WEIGHTS} does not fit {CONFIG}: {reason}") from None
    return model.eval()


def _build(config: TrainingConfig, store: TrainStore) -> RatingModel:
    if not isinstance(config, EnsembleConfig):
        return build_model(config, store)
    members = [build_model(member.config, store) for member in config.members]
    return Mixture(members, [member.weight for member in config.members])


class Predicted(NamedTuple):
    """The predictions of n pairs.

    Attributes:
        rating: (n,) expected stars.
        known: (n,) whether both the user and the film have train ratings.
        std: (n,) standard deviations of the ratings, in stars; None if the model learns none.
    """

    rating: NDArray[np.float32]
    known: NDArray[np.bool_]
    std: NDArray[np.float32] | None


@dataclass(frozen=True)
class Run:
    """A trained model, or an ensemble of them, with the ratings that it was trained on."""

    experiment: Experiment
    ratings: Ratings
    split: Split
    model: RatingModel

    @classmethod
    def load(cls, folder: Path, device: str = "auto", dataset: str | None = None) -> Run:
        """Open a run and its dataset.

        Args:
            dataset: where the ratings are now, if they have moved.

        Raises:
            RunError: there is no run, or its weights do not fit its config.
        """
        experiment = run_experiment(folder)
        if dataset is not None:
            experiment = experiment.moved_to(dataset)
        ratings = experiment.load()
        split = experiment.cut(ratings)
        store = TrainStore.of(split.train, resolve_device(device))
        return cls(experiment, ratings, split, load_model(folder, experiment, store))

    @property
    def is_refit(self) -> bool:
        """Whether it was trained on train and validation ratings together."""
        return self.experiment.refit_epochs is not None

    @property
    def neighbours(self) -> str | None:
        """The ratings near in time that predictions use: off, past or both.

        None for a model that has no such option; all modes of an ensemble's members.
        """
        config = self.experiment.config.for_split(is_random=self.experiment.split.is_random)
        configs = [config]
        if isinstance(config, EnsembleConfig):
            configs = [member.config for member in config.members]
        modes = {each.neighbours for each in configs if isinstance(each, VaeConfig)}
        return ", ".join(sorted(modes)) or None

    def _describe_weights(self, split: str) -> dict[str, Any]:
        """Whether an ensemble's weights were fitted on the split, and its RMSE if they were not."""
        config = self.experiment.config
        is_fitted = isinstance(config, EnsembleConfig) and config.weighting != "equal"
        fitted_here = is_fitted and split == "validation"
        cross_fitted = self.experiment.metrics.get("val_rmse") if fitted_here else None
        return {"weights_fitted_on_split": fitted_here, "cross_fitted_rmse": cross_fitted}

    def evaluate(self, split: Literal["validation", "test"]) -> dict[str, Any]:
        """The figures that `evaluate --json` prints.

        Open the test split only when all choices are made: the ledger counts each opening, and
        `opening` is the number of this one.

        Raises:
            DataError: the split has no test part, or the opening cannot be recorded.
            RunError: the run is a refit, and the split its validation ratings.
        """
        store = self.model.store
        part, opening = self._held_out(split)
        pairs = store.held_out(part)
        rating = torch.from_numpy(part.rating).to(store.device)
        self.model.measure_noise()
        forecast = self.model.forecast(pairs)
        predicted = forecast.expected
        expected = None
        if part.expected is not None:
            expected = torch.from_numpy(part.expected).to(store.device)
        return {
            "split": split,
            "opening": opening,
            "refit_epochs": self.experiment.refit_epochs,
            "neighbours": self.neighbours,
            **self._describe_weights(split),
            "n": len(part),
            **asdict(prediction_errors(predicted, rating)),
            "bias_rmse": bias_rmse(store, pairs, rating),
            **asdict(compare_to_noise_floor(predicted, rating, expected)),
            **asdict(calibration(forecast.probabilities(rating, store.rating.unique()))),
            "ranking": {
                "held_out_rated": held_out_rated(store, part, forecast.score),
                "full_catalogue": full_catalogue(self.model, part),
            },
            "dataset": self.experiment.dataset,
            "fingerprint": self.ratings.fingerprint,
        }

    def _held_out(self, split: Literal["validation", "test"]) -> tuple[Ratings, int | None]:
        """The ratings of a part, and the number of this opening if it is the test part."""
        if split == "test":
            spec = self.experiment.split
            return open_test(self.ratings, spec), Ledger().record_opening(
                split_fingerprint(self.ratings, spec),
                config=config_to_mapping(self.experiment.config),
                dataset=self.experiment.dataset,
                split=spec,
                command="evaluate",
            )
        if self.is_refit:
            raise RunError(
                "a refit has no validation figures, because it was trained on the validation "
                "ratings; evaluate the run that it was refitted from or, once all choices are "
                "made, this one with --split test"
            )
        return self.split.validation, None

    def predict(self, asked: UserFilmPairs) -> Predicted:
        """Expected stars, and how far ratings are from them.

        A pair that is a train rating is left out of its own sums, as in training.
        """
        store = self.model.store
        user, film = (torch.from_numpy(index) for index in asked.indices(self.ratings))
        timestamp = None if asked.timestamp is None else torch.from_numpy(asked.timestamp)
        pairs = Pairs(user, film, timestamp, torch.full_like(user, -1)).to(store.device)
        pairs = replace(pairs, row=store.rows_of(pairs.user, pairs.film))
        forecast = self.model.forecast(pairs)
        std = forecast.std()
        return Predicted(
            rating=forecast.expected.cpu().numpy(),
            known=store.are_known(pairs).cpu().numpy(),
            std=None if std is None else std.cpu().numpy(),
        )
