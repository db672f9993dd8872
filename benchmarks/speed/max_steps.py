"""Validation RMSE and time of `two_tower` by the most steps that an epoch may have.

    python -m benchmarks.speed.max_steps demo:1M 16 32 64 1000 --seeds 1 2 --out benchmarks/results

Same ratings, split, batch size and epochs; without neighbours unless asked. Needs no Optuna.
"""

from __future__ import annotations

import argparse
from statistics import fmean
from typing import Any

import torch
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import Split, split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.training.training import Training

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine


def measure(split: Split, max_steps: int, seed: int, neighbours: str) -> dict[str, Any]:
    """The best epoch's RMSE, and the mean seconds of an epoch's steps."""
    config = build_config("two_tower", max_steps=max_steps, seed=seed, neighbours=neighbours)
    with Training(config, split) as run:
        reports = list(run)
    assert run.best is not None
    return {
        "max_steps": max_steps,
        "seed": seed,
        "val_rmse": round(run.best.report.val_rmse, 5),
        "best_epoch": run.best.report.epoch,
        "train_s": round(fmean(report.train_s for report in reports), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", help="a name, a folder or a file")
    parser.add_argument("max_steps", type=int, nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--neighbours", default="off", choices=["auto", "off"])
    add_out(parser)
    args = parser.parse_args()
    split = split_ratings(load_ratings(args.dataset), SplitSpec())
    print("| max_steps | seed | val_rmse | best epoch | s/epoch |\n|---|---|---|---|---|")
    rows = []
    for max_steps in args.max_steps:
        for seed in args.seeds:
            rows.append(measure(split, max_steps, seed, args.neighbours))
            print(f"| {' | '.join(map(str, rows[-1].values()))} |", flush=True)
    about = {"machine": machine(), "threads": torch.get_num_threads(), "dataset": args.dataset}
    keep(args.out, "max-steps", {**about, "neighbours": args.neighbours, "rows": rows})


if __name__ == "__main__":
    main()
