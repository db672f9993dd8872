"""An epoch of `hybrid` by the usual training loop (`reference.py`) and by ours.

    python -m benchmarks.speed.train --ratings 1000000 --out benchmarks/results
    python -m benchmarks.speed.train --device cuda --ratings 32000000 --out benchmarks/results

Same model, batch size, ratings and device. Needs no Optuna. Each row is a process of its own, and
the fastest of its rounds; rows take turns. With --steps an epoch is extrapolated from that many
steps. Matrix products are counted by torch, and their rate is compared to that of one large product
in the same type; bytes are those that each operation of an unfused step reads and writes, compared
to a large copy. Peak memory is that of the training process, without the loader's workers.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import platform
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import count, islice
from time import perf_counter
from typing import Any

import torch
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.architectures.hybrid import HybridConfig
from recsys_search.model.store.train_store import TrainStore
from recsys_search.model.training.descent.descent import Descent
from recsys_search.model.training.device import resolve_device
from recsys_search.model.training.machine import peak_reserved_bytes
from recsys_search.model.training.training import Training

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine
from benchmarks.speed.reference import ReferenceLoop
from benchmarks.speed.traffic import bandwidth, matrix_rate, traffic_of, wait_for

WARM_UP = 5  # steps; a GPU captures a graph after three of a batch size
FLOAT32 = ", float32"
ROWS = {
    "cpu": ("reference", f"ours{FLOAT32}", "ours"),
    "cuda": (f"reference{FLOAT32}", "reference", f"ours{FLOAT32}", "ours"),
}
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "off": torch.float32}


def measure(row: str, options: argparse.Namespace) -> dict[str, Any]:
    """Figures of one round of a row."""
    device = resolve_device(options.device)
    split = split_ratings(demo_ratings(options.ratings), SplitSpec())
    config = HybridConfig(
        batch_size=options.batch_size,
        n_factors=options.factors,
        hidden_dims=tuple(options.hidden),
        latent_dim=options.latent_dim,
        amp="off" if row.endswith(FLOAT32) else "auto",
    )
    n_steps = math.ceil(len(split.train) / config.batch_size)
    n_timed = min(options.steps or n_steps, n_steps - WARM_UP)
    if row.startswith("ours"):
        until = {WARM_UP, WARM_UP + n_timed}
        taken = count(1)
        with Training(config, split, str(device), should_pause=lambda: next(taken) in until) as run:
            run._train_epoch()
            step_s = seconds(run._train_epoch, device) / n_timed
            peak_gb = peak_bytes(device) / 1e9
            descent, rows = run._fit, torch.arange(config.batch_size, device=device)
            assert isinstance(descent, Descent)
            flops, moved = traffic_of(lambda: descent._descend(rows))
            amp = run.amp
    else:
        amp = "fp16" if device.type == "cuda" and not row.endswith(FLOAT32) else "off"
        store = TrainStore.of(split.train, device)
        workers = options.loader_workers
        loop = ReferenceLoop(config, store, amp=amp == "fp16", loader_workers=workers)
        losses = loop.losses()
        list(islice(losses, WARM_UP))
        step_s = seconds(lambda: list(islice(losses, n_timed)), device) / n_timed
        peak_gb = peak_bytes(device) / 1e9
        rows = torch.arange(config.batch_size, device=device)
        batch = store.user[rows], store.film[rows], store.rating[rows]
        flops, moved = traffic_of(lambda: loop.step(*batch))
    return {
        "row": row,
        "precision": amp,
        "step_s": step_s,
        "epoch_s": step_s * n_steps,
        "ratings_per_s": len(split.train) / (step_s * n_steps),
        "peak_gb": peak_gb,
        "of_matrix_rate": flops / step_s / matrix_rate(device, DTYPES[amp]),
        "of_bandwidth": moved / step_s / bandwidth(device),
    }


def seconds(work: Callable[[], object], device: torch.device) -> float:
    wait_for(device)
    started_at = perf_counter()
    work()
    wait_for(device)
    return perf_counter() - started_at


def peak_bytes(device: torch.device) -> int:
    """On a CPU of the process, ratings and libraries included; on a GPU of torch's allocator."""
    if device.type == "cuda":
        return peak_reserved_bytes(device)
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_fresh_process(row: str, options: argparse.Namespace) -> dict[str, Any]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, row, options).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratings", type=int, default=1_000_000, help="generated")
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--factors", type=int, default=200)
    parser.add_argument("--hidden", type=int, nargs="+", default=[1024, 512, 256, 128])
    parser.add_argument("--latent-dim", type=int, default=128)
    parser.add_argument("--loader-workers", type=int, default=8)
    parser.add_argument("--steps", type=int, help="[default: a whole epoch]")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--device", default="auto")
    add_out(parser)
    args = parser.parse_args()
    if platform.system() != "Linux":
        parser.error("peak memory has other units elsewhere; run this benchmark on Linux")
    n_steps = math.ceil(0.8 * args.ratings / args.batch_size)
    if n_steps <= WARM_UP:
        parser.error(f"--ratings {args.ratings}: an epoch has {n_steps} steps; {WARM_UP} warm up")
    device = resolve_device(args.device)
    rounds = [
        [in_fresh_process(row, args) for row in ROWS[device.type]] for _ in range(args.rounds)
    ]
    rows = [min(same, key=lambda figures: figures["step_s"]) for same in zip(*rounds, strict=True)]
    print(
        "| loop | precision | epoch | ratings/s | times the reference | peak | of matrix rate "
        "| of bandwidth |\n|---|---|---|---|---|---|---|---|"
    )
    base = next(row for row in rows if row["row"] == "reference")
    for row in rows:
        print(
            f"| {row['row']} | {row['precision']} | {row['epoch_s']:.1f} s "
            f"| {row['ratings_per_s']:,.0f} | {base['step_s'] / row['step_s']:.2f} "
            f"| {row['peak_gb']:.2f} GB | {row['of_matrix_rate']:.0%} | {row['of_bandwidth']:.0%} |"
        )
    document = {"machine": machine(str(device)), "threads": torch.get_num_threads(), **vars(args)}
    keep(args.out, f"train-{device.type}", {**document, "out": None, "rows": rows})


if __name__ == "__main__":
    main()
