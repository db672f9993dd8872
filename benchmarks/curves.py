"""Record validation curves of configs drawn at random from `breakthrough`'s space.

    python benchmarks/curves.py ../ml-latest-small --architecture two_tower --n 200 --shard 0/2

Every trial runs all its epochs, unpruned, and all reports are kept, one trial per line, in
benchmarks/curves/ARCHITECTURE-SHARD.jsonl. A config beyond the study's limits is drawn again.
Recorded trials are skipped, so an interrupted recording continues; shards may run in parallel,
with one thread each (OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
from machine import machine
from optuna.samplers import RandomSampler
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.split import Split, split_ratings
from recsys_search.model.config import TrainingConfig, config_to_mapping
from recsys_search.model.training.training import Training
from recsys_search.search.definition.limits import Limits
from recsys_search.search.definition.study_file import StudySpec, load_study

FOLDER = Path(__file__).parent / "curves"
EPOCHS = 30
DIGITS = 6  # significant digits: a curve's noise is in the third or fourth


def drawn_configs(spec: StudySpec, architecture: str, index: int) -> Iterator[TrainingConfig]:
    """Endless draws for that index, independent of the draws for other indices."""
    sampler = RandomSampler(seed=index)
    fixed = {"max_epochs": EPOCHS, "patience": EPOCHS}
    while True:
        study = optuna.create_study(sampler=sampler)
        study.enqueue_trial({"architecture": architecture})
        yield spec.config({**spec.space.suggest(study.ask()), **fixed})


def is_within(limits: Limits | None, training: Training) -> bool:
    """Whether the study would train this config: it exceeds no limit."""
    return not (limits and limits.exceeded(training.config, training.n_net_parameters))


def record_run(
    spec: StudySpec, split: Split, architecture: str, index: int, device: str
) -> Training:
    """The training of the first draw within the limits: all epochs, or up to one that diverges."""
    for config in drawn_configs(spec, architecture, index):
        with Training(config, split, device) as run:
            if is_within(spec.limits, run):
                for report in run:
                    if not report.finite:
                        break
                return run
    raise AssertionError("draws are endless")


def recorded_indices(architecture: str) -> set[int]:
    """Indices of the configs whose curves are recorded, in any shard's file."""
    return {curve["index"] for curve in read_curves(architecture)}


def read_curves(architecture: str, folder: Path = FOLDER) -> Iterator[dict[str, Any]]:
    """One trial each: index, config, bias_val_rmse, and reports as a list per field.

    A line that a crash cut off is skipped.
    """
    for path in sorted(folder.glob(f"{architecture}-*.jsonl")):
        for line in path.read_text().splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue


def curve_record(index: int, training: Training, **about: Any) -> dict[str, Any]:
    reports = [asdict(report) for report in training.reports]
    return {
        "index": index,
        "config": config_to_mapping(training.config),
        "params": training.n_parameters,
        **about,
        "reports": {name: [rounded(report[name]) for report in reports] for name in reports[0]},
    }


def rounded(value: Any) -> Any:
    """The value with only its meaningful digits; None if it is not finite."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if abs(value) < float("inf") else None
    return value


def append(path: Path, line: str) -> None:
    """Append a line; a line that was cut off before it is ended first."""
    with path.open("a+b") as file:
        file.seek(0)
        if file.read()[-1:] not in (b"", b"\n"):
            file.write(b"\n")
        file.write(f"{line}\n".encode())


def main() -> None:
    spec = load_study("breakthrough")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--architecture", required=True, choices=spec.architectures)
    parser.add_argument("--n", type=int, default=200, help="curves in all shards together")
    parser.add_argument("--shard", default="0/1", help="K/N: every N-th config, from the K-th")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    shard, n_shards = map(int, args.shard.split("/"))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ratings = load_ratings(args.dataset)
    split = split_ratings(ratings, spec.split)
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{args.architecture}-{shard}.jsonl"
    for index in range(shard, args.n, n_shards):
        if index in recorded_indices(args.architecture):
            continue
        run = record_run(spec, split, args.architecture, index, args.device)
        about = {
            "bias_val_rmse": run.bias_val_rmse,
            "fingerprint": split.fingerprint,
            "machine": machine(str(run.device)),
        }
        append(path, json.dumps(curve_record(index, run, **about), separators=(",", ":")))
        best = min((r.val_rmse for r in run.reports), default=float("nan"))
        train_s = sum(report.epoch_s for report in run.reports)
        print(f"{index}: best {best:.4f} in {len(run.reports)} epochs, {train_s:.0f} s", flush=True)


if __name__ == "__main__":
    main()
