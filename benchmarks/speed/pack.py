"""Trials per hour with 1, 2, 4, ... trials at a time on one device.

    python -m benchmarks.speed.pack --device cuda --ratings 1000000 --out benchmarks/results
    python -m benchmarks.speed.pack --device cpu --at-a-time 1 2 4 --out benchmarks/results

Needs torch, numpy and pandas, no Optuna. Each row trains the same configs with the same seeds: as
many processes as there are trials at a time take them one after another. They begin together, once
each has imported torch, split the ratings and trained two steps, so start-up is measured apart. On
a GPU, measure with and without NVIDIA's MPS: start its daemon before.
"""

from __future__ import annotations

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing.synchronize import Barrier
from time import perf_counter
from typing import Any

import torch
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.architectures.two_tower import TwoTowerConfig
from recsys_search.model.training.device import is_out_of_memory, resolve_device
from recsys_search.model.training.machine import peak_reserved_bytes
from recsys_search.model.training.training import Training
from recsys_search.search.sharing.mps import mps_is_on

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine

READY_S = 900.0  # for all processes of a row to be ready


def trial_configs(n: int, *, epochs: int, batch_size: int) -> list[TwoTowerConfig]:
    """Configs as a study may propose them."""
    return [
        TwoTowerConfig(
            max_epochs=epochs,
            patience=epochs,
            batch_size=batch_size,
            latent_dim=16 * (1 + trial % 4),
            learning_rate=1e-3 * 1.15**trial,
            rating_dropout=0.2 + 0.02 * (trial % 8),
        )
        for trial in range(n)
    ]


def prepare(device: str, n_ratings: int, start: Barrier) -> None:
    """Get a process ready to train, and wait for the others."""
    # On a CPU results depend on the number of threads, so it is the same in all rows.
    torch.set_num_threads(1)
    _ready["device"] = device
    _ready["split"] = split_ratings(demo_ratings(n_ratings), SplitSpec())
    steps = count()
    # The kernels of a first step are loaded, and on a GPU the context is created.
    warm_up = trial_configs(1, epochs=1, batch_size=256)[0]
    with Training(warm_up, _ready["split"], device, should_pause=lambda: next(steps) > 1) as run:
        next(iter(run), None)
    start.wait()


_ready: dict[str, Any] = {}  # of a worker's process: its device and its split


def train(number: int, config: TwoTowerConfig) -> dict[str, Any]:
    """Train one of the trials in a process that is ready."""
    started_at = perf_counter()
    try:
        with Training(config, _ready["split"], _ready["device"]) as run:
            *_, last = run
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return {"trial": number, "error": "out of memory"}
    assert run.best is not None
    return {
        "trial": number,
        "val_rmse": run.best.report.val_rmse,
        "peak_mib": last.peak_memory_mib,
        # What a share of the GPU's memory is not reserved by torch is CUDA's own, in the first row.
        "reserved_mib": peak_reserved_bytes(run.device) / 2**20 if on_gpu(run.device) else None,
        "gpu_memory_share": last.gpu_memory_share,
        "seconds": perf_counter() - started_at,
    }


def measure(
    device: str, n_ratings: int, configs: list[TwoTowerConfig], at_a_time: int
) -> dict[str, Any]:
    """One row: all trials, so many at a time."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(at_a_time + 1, timeout=READY_S)
    begun_at = perf_counter()
    with ProcessPoolExecutor(
        at_a_time, context, initializer=prepare, initargs=(device, n_ratings, start)
    ) as pool:
        futures = [pool.submit(train, number, config) for number, config in enumerate(configs)]
        start.wait()
        started_at = perf_counter()
        trials = [future.result() for future in futures]
        seconds = perf_counter() - started_at
    return {
        "at_a_time": at_a_time,
        "start_up_s": started_at - begun_at,
        "seconds": seconds,
        "trials_per_hour": 3600 * len(configs) / seconds,
        "peak_mib": max(trial.get("peak_mib", 0.0) for trial in trials),
        "out_of_memory": sum("error" in trial for trial in trials),
        "trials": trials,
    }


def on_gpu(device: torch.device) -> bool:
    return device.type == "cuda"


def largest_difference(row: dict[str, Any], first: dict[str, Any]) -> float:
    """Of a trial's validation RMSE, to the one that it has in the first row."""
    pairs = zip(row["trials"], first["trials"], strict=True)
    known = [
        (a["val_rmse"], b["val_rmse"]) for a, b in pairs if "val_rmse" in a and "val_rmse" in b
    ]
    return max((abs(a - b) for a, b in known), default=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--ratings", type=int, default=100_000)
    parser.add_argument(
        "--at-a-time", type=int, nargs="+", help="[default: 1 2 4 8 16; CPU: 1 2 4]"
    )
    parser.add_argument("--trials", type=int, help="[default: 16; on a CPU 8]")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=4096)
    add_out(parser)
    args = parser.parse_args()
    device = resolve_device(args.device)
    counts = args.at_a_time or ([1, 2, 4, 8, 16] if on_gpu(device) else [1, 2, 4])
    n_trials = args.trials or (16 if on_gpu(device) else 8)
    configs = trial_configs(n_trials, epochs=args.epochs, batch_size=args.batch_size)
    rows: list[dict[str, Any]] = []
    print("| at a time | start-up | trials per hour | gain | peak of one | RMSE differs by |")
    print("|---|---|---|---|---|---|")
    for at_a_time in counts:
        row = measure(args.device, args.ratings, configs, at_a_time)
        rows.append(row)
        gain = row["trials_per_hour"] / rows[0]["trials_per_hour"]
        print(
            f"| {at_a_time} | {row['start_up_s']:.1f} s | {row['trials_per_hour']:.0f} "
            f"| {gain:.2f} | {row['peak_mib']:.0f} MiB "
            f"| {largest_difference(row, rows[0]):.1e} |",
            flush=True,
        )
        if row["out_of_memory"]:
            print(f"{row['out_of_memory']} trials of the row above ran out of memory", flush=True)
    document = {
        "machine": machine(str(device)),
        "mps": on_gpu(device) and mps_is_on(),
        "torch": torch.__version__,
        "ratings": args.ratings,
        "epochs": args.epochs,
        "batch_size": args.batch_size,
        "rows": rows,
    }
    mps = "-mps" if document["mps"] else ""
    keep(args.out, f"pack-{device.type}{mps}-{args.ratings}", document)


if __name__ == "__main__":
    main()
