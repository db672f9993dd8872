"""Time to predict the validation ratings on a CPU, by batch size.

    python -m benchmarks.speed.evaluation ../ml-latest-small --out benchmarks/results

Needs no Optuna. One thread. The sizes alternate in one process; each figure is the fastest of its
rounds. Predictions must be the same to the bit for every size; otherwise the script says so.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import torch
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.architectures.hybrid import HybridConfig
from recsys_search.model.architectures.models import build_model
from recsys_search.model.architectures.two_tower import TwoTowerConfig
from recsys_search.model.components.rating_model import EVAL_BATCH_SIZE, RatingModel
from recsys_search.model.config import TrainingConfig
from recsys_search.model.store.train_store import Pairs, TrainStore

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine

SIZES = [65536, 8192, 4096, 2048, 1024, 512, 256]
CONFIGS: dict[str, TrainingConfig] = {
    "two_tower": TwoTowerConfig(),
    "hybrid [256, 128]": HybridConfig(hidden_dims=(256, 128)),
    "hybrid [1024, 512, 256]": HybridConfig(hidden_dims=(1024, 512, 256)),
}


def predict_timed(model: RatingModel, pairs: Pairs, size: int) -> tuple[torch.Tensor, float]:
    """The predictions, and the seconds they took."""
    EVAL_BATCH_SIZE["cpu"] = size
    started_at = perf_counter()
    values = model.predict(pairs)
    return values, perf_counter() - started_at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--rounds", type=int, default=5)
    add_out(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    split = split_ratings(load_ratings(args.dataset), SplitSpec())
    store = TrainStore.build(split.train, torch.device("cpu"))
    pairs = store.held_out(split.validation)
    print(f"seconds for {len(pairs)} pairs, in batches of")
    print("| model | " + " | ".join(map(str, SIZES)) + " |\n" + "|---" * (len(SIZES) + 1) + "|")
    rows = []
    for name, config in CONFIGS.items():
        model = build_model(config, store)
        fastest = dict.fromkeys(SIZES, float("inf"))
        same = True
        for _ in range(args.rounds):
            results = {size: predict_timed(model, pairs, size) for size in SIZES}
            first, _ = results[SIZES[0]]
            same = same and all(torch.equal(first, values) for values, _ in results.values())
            fastest = {size: min(fastest[size], results[size][1]) for size in SIZES}
        cells = " | ".join(f"{seconds:.3f}" for seconds in fastest.values())
        print(f"| {name} | {cells} |{'' if same else ' not the same predictions'}", flush=True)
        rows.append({"model": name, "seconds": fastest, "same_to_the_bit": same})
    keep(args.out, "evaluation-cpu", {"machine": machine(), "pairs": len(pairs), "rows": rows})


if __name__ == "__main__":
    main()
