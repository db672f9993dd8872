"""Time of a training step of `hybrid`, with and without updates by row, and with CUDA graphs.

    python -m benchmarks.speed.steps --users 200000 --films 44000 --out benchmarks/results

Needs no Optuna. `dense` makes the gradients of embeddings dense, so that AdamW updates whole tables
in each step; `rows` is how `hybrid` is trained; `graph`, on a GPU only, captures the step as well;
`compiled` is the same with the model in torch.compile (`--compile`). They take turns; each figure
is the fastest step, on a GPU the mean of ten that the host queues. An epoch is extrapolated to 25.6
million ratings, the train split of ml-32m.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from time import perf_counter

import torch
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import Split, split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.config import TrainingConfig
from recsys_search.model.training.descent.descent import Descent
from recsys_search.model.training.descent.graphs import VARIABLE
from recsys_search.model.training.training import Training
from torch import Tensor, nn

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine

EPOCH_RATINGS = 25_600_000
WARM_UP = 5


def start(variant: str, config: TrainingConfig, split: Split, device: str) -> Training:
    """A training that has been entered and is ready for its first step."""
    os.environ[VARIABLE] = "1" if variant in ("graph", "compiled") else "0"
    run = Training(config, split, device).__enter__()
    if variant == "dense":
        for module in run._model.modules():
            if isinstance(module, nn.Embedding):
                module.sparse = False
    if variant == "compiled":
        run._model.compile()
    run._model.train()
    return run


def step_s(run: Training, batches: Sequence[Tensor]) -> float:
    """Seconds of a step, of these."""
    descent = run._fit
    assert isinstance(descent, Descent)
    started_at = perf_counter()
    for rows in batches:
        descent.step(rows)
    if run.device.type == "cuda":
        torch.cuda.synchronize(run.device)
    return (perf_counter() - started_at) / len(batches)


def measure(
    variants: Sequence[str], config: TrainingConfig, split: Split, device: str, n_rounds: int
) -> dict[str, float]:
    """Seconds of the fastest step of each variant; the variants take turns."""
    runs = {variant: start(variant, config, split, device) for variant in variants}
    first = next(iter(runs.values()))
    rows = torch.randperm(len(first._store), device=first.device)
    batches = rows.split(config.batch_size)[:-1]  # type: ignore[attr-defined]
    together = 10 if first.device.type == "cuda" else 1
    times: dict[str, list[float]] = {variant: [] for variant in variants}
    for number in range(WARM_UP + n_rounds):
        at = number * together % (len(batches) - together)
        for variant, run in runs.items():
            times[variant].append(step_s(run, batches[at : at + together]))
    for run in runs.values():
        run.__exit__(None, None, None)
    return {variant: min(seconds[WARM_UP:]) for variant, seconds in times.items()}


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
    seconds = measure(variants, config, split, args.device, args.steps)
    for variant, step in seconds.items():
        epoch = step * EPOCH_RATINGS / args.batch_size
        print(f"| {variant} | {1000 * step:.2f} ms | {epoch:.0f} s |")
        rows.append({"variant": variant, "step_s": step, "epoch_s": epoch})
    kind = "cuda" if on_gpu else "cpu"
    about = {"machine": machine(kind), "threads": torch.get_num_threads()}
    keep(args.out, f"steps-{kind}", {**about, **vars(args), "out": None, "rows": rows})


if __name__ == "__main__":
    main()
