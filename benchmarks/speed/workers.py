"""Time of a study with `--workers auto` and with one worker, on the cores at hand.

    python -m benchmarks.speed.workers --out benchmarks/results
    python -m benchmarks.speed.workers --trials 36 --rounds 1 --out benchmarks/results

Needs quiet cores. The two alternate, each time in a new storage. They stop other trials, because
these end in another order; so the seconds per epoch are shown too. In a short study the start of
the workers, and the last trial, which runs alone, weigh more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine

START = "import sys; from recsys_search.cli import main; main(sys.argv[1:])"


def run(study: str, workers: str, trials: int | None) -> dict[str, float]:
    """Seconds of a start, and the epochs that it trained."""
    total = [] if trials is None else ["--trials", str(trials)]
    with TemporaryDirectory() as folder:
        storage = f"sqlite:///{Path(folder, 'studies.db')}"
        options = ["start", "--study", study, "--workers", workers, "--storage", storage]
        command = [sys.executable, "-c", START, *options, *total, "--quiet", "--json"]
        started_at = perf_counter()
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        seconds = perf_counter() - started_at
    return {"seconds": seconds, "epochs": json.loads(done.stdout)["epochs"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="demo")
    parser.add_argument("--trials", type=int, help="[default: the study's number]")
    parser.add_argument("--rounds", type=int, default=3)
    add_out(parser)
    args = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {"1": [], "auto": []}
    print("| workers | seconds | epochs | seconds per epoch |\n|---|---|---|---|")
    for _ in range(args.rounds):
        for workers, measured in runs.items():
            measured.append(run(args.study, workers, args.trials))
            seconds, epochs = measured[-1]["seconds"], measured[-1]["epochs"]
            print(f"| {workers} | {seconds:.1f} | {epochs} | {seconds / epochs:.3f} |", flush=True)
    totals, paces = (
        {workers: median(map(of, measured)) for workers, measured in runs.items()}
        for of in (lambda one: one["seconds"], lambda one: one["seconds"] / one["epochs"])
    )
    ratios = {"time": totals["auto"] / totals["1"], "per_epoch": paces["auto"] / paces["1"]}
    print(f"\nauto / 1: {ratios['time']:.2f} of the time, {ratios['per_epoch']:.2f} per epoch")
    document = {
        "machine": machine(),
        "study": args.study,
        "trials": args.trials,
        "runs": runs,
        "auto / 1": ratios,
    }
    suffix = "" if args.trials is None else f"-{args.trials}-trials"
    keep(args.out, f"workers-cpu{suffix}", document)


if __name__ == "__main__":
    main()
