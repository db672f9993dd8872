"""Time from the first import to the first epoch of a process's first trial, and of its second.

    python -m benchmarks.speed.startup demo:1M demo:32M --out benchmarks/results

Each row is a process of its own. The ratings are prepared. Each architecture starts with no split
kept, so that it is cut, and again with the split that the first start has kept, if it is large
enough. Kept splits of these ratings are removed from --data-dir first.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine

ARCHITECTURES = ("hybrid", "two_tower")


def start(dataset: str, architecture: str, device: str, data_dir: Path) -> dict[str, float]:
    """Seconds of each part of a start, in this process."""
    started_at = perf_counter()
    times = {}

    def lap(name: str) -> None:
        nonlocal started_at
        now = perf_counter()
        times[name], started_at = round(now - started_at, 3), now

    from recsys_search.data.sets.loading import load_ratings
    from recsys_search.data.sets.prepared_splits import open_split
    from recsys_search.data.splits.spec import SplitSpec
    from recsys_search.model.architectures.configs import build_config
    from recsys_search.model.training.device import resolve_device
    from recsys_search.model.training.training import Training

    from benchmarks.speed.traffic import wait_for

    on = resolve_device(device)
    lap("import_s")
    split = open_split(load_ratings(dataset, data_dir), SplitSpec())
    lap("split_s")
    for trial in ("first", "second"):
        with Training(build_config(architecture), split, device):
            wait_for(on)
            lap(f"{trial}_trial_s")
    return times


def in_new_process(dataset: str, architecture: str, device: str, data_dir: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.speed.startup", dataset, "--one", architecture]
    options = ["--device", device, "--data-dir", str(data_dir)]
    ran = subprocess.run([*command, *options], check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(ran.stdout))


def rows_of(dataset: str, device: str, data_dir: Path) -> list[dict[str, Any]]:
    from recsys_search.data.sets.loading import load_ratings

    prepared = load_ratings(dataset, data_dir).prepared
    rows = []
    for architecture in ARCHITECTURES:
        if prepared is not None:
            for folder in prepared.glob("split-*"):
                rmtree(folder)
        for split in ("cut", "kept"):
            if split == "cut" or (prepared is not None and any(prepared.glob("split-*"))):
                times = in_new_process(dataset, architecture, device, data_dir)
                what = {"dataset": dataset, "architecture": architecture, "split": split}
                rows.append({**what, **times})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data-dir", type=Path, help="[default: a temporary one]")
    parser.add_argument("--one", choices=ARCHITECTURES, help=argparse.SUPPRESS)
    add_out(parser)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(start(args.datasets[0], args.one, args.device, args.data_dir)))
        return
    rows = []
    with TemporaryDirectory() as temporary:
        for dataset in args.datasets:
            rows += rows_of(dataset, args.device, args.data_dir or Path(temporary))
    print("  ".join(f"{name:>14}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value!s:>14}" for value in row.values()))
    from recsys_search.model.training.device import resolve_device

    resolved = resolve_device(args.device)
    keep(args.out, f"startup-{resolved.type}", {"machine": machine(str(resolved)), "rows": rows})


if __name__ == "__main__":
    main()
