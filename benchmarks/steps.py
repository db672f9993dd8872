"""Time of a training step of `hybrid`, with and without updates by row, and with CUDA graphs.

    python benchmarks/steps.py --users 200000 --films 44000 --out benchmarks/results

Needs no Optuna. `dense` makes the gradients of embeddings dense, so that AdamW updates whole tables
in each step; `rows` is how `hybrid` is trained; `graph`, on a GPU only, captures the step as well;
`compiled` is the same with the model in torch.compile (`--compile`). An epoch is extrapolated to
25.6 million ratings, the train split of ml-32m.
"""

from __future__ import annotations

import argparse
import os
from statistics import median
from time import perf_counter

import torch
from keep import add_out, keep
from machine import machine
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import Split, split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.config import TrainingConfig
from recsys_search.model.training.descent.descent import Descent
from recsys_search.model.training.descent.graphs import VARIABLE
from recsys_search.model.training.training import Training
from torch import nn

EPOCH_RATINGS = 25_600_000


def step_s(
    variant: str, config: TrainingConfig, split: Split, device: str, n_steps: int
) -> list[float]:
    """Seconds of each step after a warm-up; on a GPU of runs of ten, which the host queues."""
    os.environ[VARIABLE] = "1" if variant in ("graph", "compiled") else "0"
    with Training(config, split, device) as run:
        descent = run._fit
        assert isinstance(descent, Descent)
        if variant == "dense":
            for module in run._model.modules():
                if isinstance(module, nn.Embedding):
                    module.sparse = False
        if variant == "compiled":
            run._model.compile()
        run._model.train()
        on_gpu = run.device.type == "cuda"
        together = 10 if on_gpu else 1
        times = []
        rows = torch.randperm(len(run._store), device=run.device)
        batches = rows.split(config.batch_size)[:-1]  # type: ignore[attr-defined]
        warm_up = 5
        for start in range(0, warm_up + n_steps * together, together):
            started_at = perf_counter()
            for number in range(start, start + together):
                descent.step(batches[number % len(batches)])
            if on_gpu:
                torch.cuda.synchronize(run.device)
            times.append((perf_counter() - started_at) / together)
        return times[warm_up:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--films", type=int, default=44_000)
    parser.add_argument("--ratings", type=int, default=2_000_000, help="generated, to step through")
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--factors", type=int, default=200)
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 128])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="auto")
    add_out(parser)
    args = parser.parse_args()
    config = build_config(
        "hybrid",
        batch_size=args.batch_size,
        n_factors=args.factors,
        hidden_dims=tuple(args.hidden),
    )
    ratings = demo_ratings(args.ratings, n_users=args.users, n_films=args.films)
    split = split_ratings(ratings, SplitSpec())
    on_gpu = torch.cuda.is_available() and args.device != "cpu"
    variants = ["dense", "rows", *["graph"] * on_gpu, *["compiled"] * args.compile]
    rows = []
    print("| embeddings | step | epoch |\n|---|---|---|")
    for variant in variants:
        seconds = median(step_s(variant, config, split, args.device, args.steps))
        epoch_s = seconds * EPOCH_RATINGS / args.batch_size
        print(f"| {variant} | {1000 * seconds:.2f} ms | {epoch_s:.0f} s |", flush=True)
        rows.append({"variant": variant, "step_s": seconds, "epoch_s": epoch_s})
    kind = "cuda" if on_gpu else "cpu"
    about = {"machine": machine(kind), "threads": torch.get_num_threads()}
    keep(args.out, f"steps-{kind}", {**about, **vars(args), "out": None, "rows": rows})


if __name__ == "__main__":
    main()
