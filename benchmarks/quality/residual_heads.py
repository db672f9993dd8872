"""What the neighbour head is worth to models that fit weights to each train rating.

    python -m benchmarks.quality.residual_heads ml-latest-small demo --out benchmarks/results

`two_tower` predicts each train rating without itself. `mf` and `hybrid` do not: what they leave
unexplained of train ratings is too small, and the head that learns from it expects too little of
validation ratings. With --folds, train ratings are predicted by models that were trained on the
other folds, at the cost of as many trainings.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import Split, split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.components.neighbours.head import NeighbourHead
from recsys_search.model.config import TrainingConfig
from recsys_search.model.store.time_order import Window
from recsys_search.model.store.train_store import Pairs, TrainStore
from recsys_search.model.training.training import Training
from torch import Tensor

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine

CPU = torch.device("cpu")
CONFIGS: dict[str, dict[str, Any]] = {
    "mf": {},
    "hybrid": {
        "bias": True,
        "hidden_dims": [256, 128],
        "latent_dim": 64,
        "n_factors": 50,
        "kl_warmup_epochs": 0,
        "max_epochs": 20,
        "patience": 3,
    },
}
HEAD_EPOCHS, HEAD_BATCH, HEAD_RATE, HEAD_DECAY = 15, 4096, 3e-3, 0.1


class Fitted(NamedTuple):
    """Predictions of a model in its best epoch, and the vectors of its films.

    Attributes:
        train: (n,) of the split's train ratings.
        validation: (m,) of its validation ratings.
        films: (n_films, K).
    """

    train: Tensor
    validation: Tensor
    films: Tensor


def fit(config: TrainingConfig, split: Split) -> Fitted:
    with Training(config, split, "cpu") as run:
        for _ in run:
            pass
        assert run.best is not None
        model, store = run._model, run._store
        model.load_state_dict(run.best.weights)
        rows = torch.arange(len(store))
        films = model.get_submodule("film").get_parameter("weight")
        return Fitted(
            model.predict(store.pairs(rows)),
            model.predict(store.held_out(split.validation)),
            films.detach().clone(),
        )


def out_of_fold(config: TrainingConfig, split: Split, n_folds: int) -> Tensor:
    """(n,) predictions of train ratings by models that were trained on the other folds.

    The best epoch is chosen on the fold itself, so they are slightly too good.
    """
    fold = np.random.default_rng(0).integers(n_folds, size=len(split.train))
    predicted = torch.empty(len(split.train))
    for each in range(n_folds):
        rows = np.flatnonzero(fold == each)
        others = Split(
            train=split.train.take(np.flatnonzero(fold != each)),
            validation=split.train.take(rows),
            spec=split.spec,
            fingerprint=f"{split.fingerprint} fold {each} of {n_folds}",
        )
        predicted[torch.from_numpy(rows)] = fit(config, others).validation
    return predicted


class GivenResiduals:
    """Residuals of train ratings, all of them given."""

    def __init__(self, store: TrainStore, residual: Tensor, films: Tensor) -> None:
        self._store, self._residual = store, residual
        self._directions = F.normalize(films, dim=1)

    def of_targets(self, pairs: Pairs) -> Tensor:
        return self._residual[pairs.row]

    def of_neighbours(self, pairs: Pairs, window: Window) -> tuple[Tensor, Tensor]:
        films = self._directions[self._store.film[window.rows]]
        cosine = (films * self._directions[pairs.film].unsqueeze(1)).sum(2)
        return self._residual[window.rows] * window.present, cosine * window.present


def head_rmse(split: Split, residual: Tensor, fitted: Fitted, seed: int) -> float:
    """Validation RMSE of the model's predictions plus those of a head trained on residuals."""
    torch.manual_seed(seed)
    store = TrainStore.build(split.train, CPU)
    head = NeighbourHead(store, past=False)
    head.residuals = GivenResiduals(store, residual, fitted.films)
    optimizer = torch.optim.AdamW(head.parameters(), lr=HEAD_RATE, weight_decay=HEAD_DECAY)
    n_steps = HEAD_EPOCHS * (len(store) // HEAD_BATCH + 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for _ in range(HEAD_EPOCHS):
        for rows in torch.randperm(len(store)).split(HEAD_BATCH):
            optimizer.zero_grad()
            head.loss(store.pairs(rows)).backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        added = head(store.held_out(split.validation))
    return _rmse((fitted.validation + added).clamp(*store.scale), split)


def _rmse(predicted: Tensor, split: Split) -> float:
    return float((predicted - torch.from_numpy(split.validation.rating)).square().mean().sqrt())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--models", nargs="+", default=list(CONFIGS), choices=list(CONFIGS))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=42)
    add_out(parser)
    args = parser.parse_args()
    rows = []
    print(f"| dataset | model | alone | with the head | with the head, {args.folds} folds |")
    print("|---|---|---|---|---|")
    for dataset in args.datasets:
        split = split_ratings(load_ratings(dataset), SplitSpec(seed=42))
        rating = torch.from_numpy(split.train.rating)
        for name in args.models:
            config = build_config(name, **CONFIGS[name], seed=args.seed)
            fitted = fit(config, split)
            alone = _rmse(fitted.validation, split)
            in_sample = head_rmse(split, rating - fitted.train, fitted, args.seed)
            predicted = out_of_fold(config, split, args.folds)
            crossed = head_rmse(split, rating - predicted, fitted, args.seed)
            figures = {"alone": alone, "head": in_sample, "head_folds": crossed}
            rows.append({"dataset": Path(dataset).name, "model": name, **figures})
            shown = " | ".join(f"{value:.4f}" for value in figures.values())
            print(f"| {dataset} | {name} | {shown} |", flush=True)
    about = {"machine": machine(), "split_seed": 42, "seed": args.seed, "folds": args.folds}
    keep(args.out, "residual-heads", {**about, "rows": rows})


if __name__ == "__main__":
    main()
