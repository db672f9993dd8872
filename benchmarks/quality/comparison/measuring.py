"""Measures one model on one split: its errors, its rankings and its run time."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from time import perf_counter, process_time
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from recsys_search.data.ratings import Ratings
from recsys_search.data.splits.ledger import Ledger
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import Split, open_test, split_fingerprint, split_ratings
from recsys_search.model.config import TrainingConfig
from recsys_search.model.runs.environment import current_environment
from recsys_search.model.store.train_store import TrainStore
from recsys_search.model.training.device import resolve_device
from recsys_search.model.training.quality import bias_rmse

from benchmarks.machine import machine
from benchmarks.quality.comparison.figures import Array, rmse
from benchmarks.quality.comparison.ours import is_seeded, train
from benchmarks.quality.comparison.peers import Peer
from benchmarks.quality.comparison.ranking import PerUser, ScoreMatrix, rank_users, score_matrix

Part = Literal["validation", "test"]
DIGITS = 6  # after the point


@dataclass(frozen=True)
class Cut:
    """A split, and the part of it that models are compared on."""

    split: Split
    part: Ratings

    @classmethod
    def of(cls, ratings: Ratings, dataset: str, seed: int, part: Part) -> Self:
        """Cut 80/10/10 at random. The ledger counts an opening of the test ratings."""
        spec = SplitSpec(seed=seed)
        split = split_ratings(ratings, spec)
        if part == "validation":
            return cls(split, split.validation)
        test = open_test(ratings, spec)
        Ledger().record_opening(
            split_fingerprint(ratings, spec),
            config={"architecture": "all rows of the comparison"},
            dataset=dataset,
            split=spec,
            command="benchmarks/quality/peers.py",
        )
        return cls(split, test)

    @property
    def seed(self) -> int:
        assert self.split.spec.seed is not None
        return self.split.spec.seed

    @cached_property
    def store(self) -> TrainStore:
        return TrainStore.build(self.split.train, resolve_device("auto"))

    @cached_property
    def bias_rmse(self) -> float:
        """RMSE of the bias baseline."""
        rating = torch.from_numpy(self.part.rating).to(self.store.device)
        return bias_rmse(self.store, self.store.held_out(self.part), rating)

    @property
    def baselines(self) -> dict[str, float | None]:
        """RMSE of the bias baseline, and of the expected ratings; None if they are not known."""
        rating, expected = self.part.rating.astype(np.float64), self.part.expected
        floor = None if expected is None else rmse(expected - rating)
        return {"bias_rmse": _rounded(self.bias_rmse), "noise_rmse": _rounded(floor)}

    @property
    def asked(self) -> Ratings:
        """The part's rows without what is to be predicted."""
        return replace(self.part, rating=np.full_like(self.part.rating, np.nan), expected=None)

    def errors(self, predicted: NDArray[Any]) -> Array:
        """(n,) prediction - rating, with predictions clipped to the scale.

        Raises:
            ValueError: a prediction is not a finite number.
        """
        if wrong := int((~np.isfinite(predicted)).sum()):
            raise ValueError(f"{wrong} of {len(predicted)} predictions are not finite")
        scale = self.part.scale
        return np.clip(predicted.astype(np.float64), scale.low, scale.high) - self.part.rating


@dataclass(frozen=True)
class Measured:
    """What one run of a row gave.

    Attributes:
        run: figures for the JSON document.
        errors: (n,) of the part's rows; None for a model that only ranks.
        per_user: None for a model that is not ranked.
    """

    run: dict[str, Any]
    errors: Array | None
    per_user: PerUser | None

    @classmethod
    def of(
        cls,
        cut: Cut,
        seed: int | None,
        errors: Array | None,
        per_user: PerUser | None,
        **about: Any,
    ) -> Self:
        run: dict[str, Any] = {"split_seed": cut.seed, "seed": seed}
        if errors is not None:
            run |= {"rmse": rmse(errors), "below_biases": cut.bias_rmse - rmse(errors)}
        if per_user is not None:
            run |= {figure: float(values.mean()) for figure, values in per_user.items()}
        figures = {name: _rounded(value) for name, value in (run | about).items()}
        return cls(figures, errors, per_user)


def _rounded(value: Any) -> Any:
    return round(value, DIGITS) if isinstance(value, float) else value


class Clock:
    """Wall time and the process's CPU time since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = perf_counter(), process_time()

    def read(self) -> dict[str, float]:
        return {
            "seconds": round(perf_counter() - self._wall, 1),
            "cpu_seconds": round(process_time() - self._cpu, 1),
        }


def measure_ours(config: TrainingConfig, cut: Cut, seed: int) -> Measured:
    """Train one of our configs, and predict and rank with it."""
    clock = Clock()
    trained = train(config, cut.split, seed if is_seeded(config) else None)
    errors = cut.errors(trained.predict(cut.asked))
    times = clock.read()
    per_user = None
    if trained.model.scores_by_product:  # others would take minutes
        per_user, _ = rank_users(score_matrix(trained.model), cut.part)
    device = str(trained.store.device)
    return Measured.of(
        cut,
        seed if is_seeded(config) else None,
        errors,
        per_user,
        best_epoch=trained.best_epoch,
        val_rmse=trained.val_rmse,
        last_val_rmse=trained.last_val_rmse,
        **times,
        environment={
            **current_environment(device=device, amp=trained.amp, threads=torch.get_num_threads()),
            "machine": machine(device),
        },
    )


def measure_mean(members: list[Measured], cut: Cut) -> Measured:
    """The mean of the predictions of runs on one split, with equal weights."""
    errors = np.mean([member.errors for member in members], axis=0)
    times = {
        name: round(sum(member.run[name] for member in members), 1)
        for name in ("seconds", "cpu_seconds")
    }
    return Measured.of(cut, None, errors, None, **times, environment=members[0].run["environment"])


def measure_peer(peer: Peer, cut: Cut, seed: int) -> Measured:
    """Train another library's model, and predict or rank with it."""
    train_ratings, asked = cut.split.train, cut.asked
    clock = Clock()
    if peer.predict is not None:
        predicted = peer.predict(train_ratings, asked, seed)
        times, errors, per_user = clock.read(), cut.errors(predicted), None
    else:
        assert peer.score is not None
        scores = torch.tensor(peer.score(train_ratings, seed), device=cut.store.device)
        times, errors = clock.read(), None
        per_user, _ = rank_users(ScoreMatrix(cut.store, scores), cut.part)
    return Measured.of(
        cut,
        seed if peer.seeded else None,
        errors,
        per_user,
        **times,
        environment=peer_environment(peer.packages),
    )


def measure_random(cut: Cut) -> Measured:
    """The exact expectation of a ranking's figures over all orders."""
    scores = torch.zeros(cut.store.n_users, cut.store.n_films, device=cut.store.device)
    clock = Clock()
    _, by_chance = rank_users(ScoreMatrix(cut.store, scores), cut.part)
    return Measured.of(cut, None, None, by_chance, **clock.read(), environment=peer_environment(()))


def peer_environment(packages: tuple[str, ...]) -> dict[str, Any]:
    """Versions, threads and machine of a row that is not ours."""
    names = (*packages, "numpy", "scipy", "torch")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "threads": torch.get_num_threads(),
        "machine": machine(),
    }
