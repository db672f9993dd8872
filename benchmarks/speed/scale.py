"""Time and memory of a training step of `two_tower`, by the number of ratings and of threads.

    python -m benchmarks.speed.scale 100000 1000000 32000000 --threads 1 2 --out benchmarks/results

Needs no Optuna. Memory is the peak during the steps minus the memory before them: of the process
on a CPU, of torch's allocator on a GPU. The time of an epoch is extrapolated from its steps, unless
--whole times one from its start to its end, and its evaluation.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import platform
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import Split, split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.training.descent.descent import Descent
from recsys_search.model.training.device import resolve_device
from recsys_search.model.training.training import Training

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine
from benchmarks.speed.traffic import wait_for


def measure(
    split: Split, fields: dict[str, Any], *, steps: int, whole: bool, device: str
) -> dict[str, Any]:
    """Time and memory of the first steps of an epoch; the first is a warm-up and not timed.

    Args:
        whole: train and evaluate an epoch as well.
    """
    config = build_config("two_tower", max_epochs=1, **fields)
    split = replace(split, train=replace(split.train))  # shares no store with earlier rows
    started_at = perf_counter()
    with Training(config, split, device) as run:
        wait_for(run.device)
        build_s = perf_counter() - started_at
        descent = run._fit
        assert isinstance(descent, Descent)
        before_mb = now_mb(run.device)
        run._model.train()
        started_at = perf_counter()
        run._model.refresh()
        wait_for(run.device)
        refresh_s = perf_counter() - started_at
        rows = torch.randperm(len(run._store), device=run.device).tensor_split(descent.n_steps)
        times = []
        for batch in islice(rows, steps):
            started_at = perf_counter()
            descent.step(batch)
            wait_for(run.device)
            times.append(perf_counter() - started_at)
        step_s = min(times[1:] or times)
        row = {
            "train_ratings": len(split.train),
            "threads": torch.get_num_threads(),
            "users": split.train.n_users,
            "films": split.train.n_films,
            **fields,
            "amp": run.amp,
            "steps": descent.n_steps,
            "build_s": round(build_s, 2),
            "refresh_s": round(refresh_s, 3),
            "step_s": round(step_s, 4),
            "epoch_s": round(refresh_s + descent.n_steps * step_s, 1),
            "steps_mb": round(peak_mb(run.device) - before_mb),
        }
        if whole:
            [report] = run
            row["whole_epoch_s"] = round(report.train_s, 1)
            row["evaluation_s"] = round(report.epoch_s - report.train_s, 1)
        return row


def now_mb(device: torch.device) -> float:
    """Memory in use; resets the peak."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device) / 1e6
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)  # what an earlier training has freed
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    return process_mb("VmRSS")


def peak_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return process_mb("VmHWM")


def process_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    [kib] = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(kib) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ratings", type=int, nargs="+", help="of which 80% are trained on")
    parser.add_argument("--batch-size", type=int, default=65536, help="if max_steps allows it")
    parser.add_argument("--latent-dim", type=int, default=64)
    parser.add_argument("--neighbours", default="auto", choices=["auto", "off"])
    parser.add_argument("--steps", type=int, default=4, help="to time [default: 4]")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[torch.get_num_threads()], help="of a CPU"
    )
    parser.add_argument("--whole", action="store_true", help="time an epoch and its evaluation too")
    parser.add_argument("--device", default="auto")
    add_out(parser)
    args = parser.parse_args()
    if platform.system() != "Linux":
        sys.exit("memory is read from /proc, which only Linux has; run this benchmark on Linux")
    fields = {name: getattr(args, name) for name in ("batch_size", "latent_dim", "neighbours")}
    rows = []
    for n in args.ratings:
        split = split_ratings(demo_ratings(n), SplitSpec())
        for threads in args.threads:
            torch.set_num_threads(threads)
            rows.append(
                measure(split, fields, steps=args.steps, whole=args.whole, device=args.device)
            )
            if len(rows) == 1:
                print("  ".join(name.rjust(9) for name in rows[0]))
            cells = (str(value).rjust(max(9, len(name))) for name, value in rows[-1].items())
            print("  ".join(cells), flush=True)
    device = resolve_device(args.device)
    name = f"scale-{device.type}" if args.neighbours == "off" else f"scale-{device.type}-neighbours"
    keep(args.out, name, {"machine": machine(str(device)), "cores": os.cpu_count(), "rows": rows})


if __name__ == "__main__":
    main()
