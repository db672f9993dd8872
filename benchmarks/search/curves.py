"""Record validation curves of configs drawn at random from `breakthrough`'s space.

    python -m benchmarks.search.curves ../ml-latest-small --architecture two_tower --n 200 \
        --shard 0/2

Every trial runs all its epochs, unpruned, and all reports are kept, one trial per line, in
benchmarks/curves/ARCHITECTURE-SHARD.jsonl. A config beyond the study's limits is drawn again. A
`hybrid` runs 30 epochs instead of the study's 100, which would take hours each. --near-known draws
configs around the study's first known one (ARCHITECTURE-near-SHARD.jsonl), and --configs FILE takes
those of a file, such as the best ones of `landscape.py --promising` (ARCHITECTURE-FILE.jsonl).
Recorded trials are skipped, so an interrupted recording continues; shards may run in parallel,
with one thread each (OMP_NUM_THREADS=1).

    python -m benchmarks.search.curves --study NAME --storage URL --architecture two_tower

Instead, copy the completed trials of a study of the same space to ARCHITECTURE-searched.jsonl: the
configs that a sampler proposes, many of them near the best ones. Some end early, on a plateau.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.split import Split, split_ratings
from recsys_search.model.architectures.configs import config_from_mapping
from recsys_search.model.config import TrainingConfig, config_to_mapping
from recsys_search.model.training.reports import EpochReport
from recsys_search.model.training.training import Training
from recsys_search.search.definition.limits import Limits
from recsys_search.search.definition.study_file import StudySpec, load_study
from recsys_search.search.results.reader import StudyReader

from benchmarks.machine import machine

FOLDER = Path(__file__).parents[1] / "curves"
EPOCHS = {"two_tower": 20, "hybrid": 30}
DIGITS = 6  # significant digits: a curve's noise is in the third or fourth


def drawn_configs(
    spec: StudySpec, architecture: str, index: int, *, near_known: bool
) -> Iterator[TrainingConfig]:
    """Endless draws for that index, independent of the draws for other indices.

    Args:
        near_known: each axis keeps the first known config's value with a chance of one half.
    """
    sampler, rng = RandomSampler(seed=index), np.random.default_rng(index)
    fixed = {"max_epochs": EPOCHS[architecture], "patience": EPOCHS[architecture]}
    while True:
        study = optuna.create_study(sampler=sampler)
        kept = {}
        if near_known:
            known = next(k for k in spec.known_trials() if k.params["architecture"] == architecture)
            kept = {name: value for name, value in known.params.items() if rng.random() < 0.5}
        study.enqueue_trial({**kept, "architecture": architecture})
        yield spec.config({**spec.space.suggest(study.ask()), **fixed})


def is_within(limits: Limits | None, training: Training) -> bool:
    """Whether the study would train this config: it exceeds no limit."""
    return not (limits and limits.exceeded(training.config, training.n_net_parameters))


def record_run(
    configs: Iterable[TrainingConfig], limits: Limits | None, split: Split, device: str
) -> Training:
    """The first config within the limits, trained for all epochs, or up to one that diverges."""
    for config in configs:
        with Training(config, split, device) as run:
            if is_within(limits, run):
                for report in run:
                    if not report.finite:
                        break
                return run
    raise ValueError("every config exceeds the study's limits")


def read_curves(
    architecture: str, folder: Path = FOLDER, shards: str = "[0-9]"
) -> Iterator[dict[str, Any]]:
    """One trial each: index, config, bias_val_rmse, and reports as a list per field.

    A line that a crash cut off is skipped.

    Args:
        shards: pattern of the file's last part: random configs by default; `near-*`, `searched`.
    """
    for path in sorted(folder.glob(f"{architecture}-{shards}.jsonl")):
        for line in path.read_text().splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue


def line_of(
    index: int, config: TrainingConfig, params: int, reports: Sequence[EpochReport], **about: Any
) -> str:
    """A recorded trial as a line of JSON."""
    rows = [asdict(report) for report in reports]
    record = {
        "index": index,
        "config": config_to_mapping(config),
        "params": params,
        **about,
        "reports": {name: [rounded(row[name]) for row in rows] for name in rows[0]},
    }
    return json.dumps(record, separators=(",", ":"))


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


def record_study(storage: str, study: str, architecture: str) -> None:
    """Write the completed trials of one architecture, replacing what the file held."""
    reader = StudyReader(storage, study)
    lines = []
    for record in reader.trials("complete"):
        trial = reader.show(record["number"])
        if record["architecture"] == architecture and trial["reports"]:
            about = {
                "bias_val_rmse": trial["bias_val_rmse"],
                "fingerprint": reader.fingerprint,
                "machine": machine("cpu"),
            }
            config = config_from_mapping(trial["config"])
            lines.append(
                line_of(record["number"], config, trial["params"], trial["reports"], **about)
            )
    (FOLDER / f"{architecture}-searched.jsonl").write_text("".join(f"{line}\n" for line in lines))
    print(f"{len(lines)} trials of {study}")


def read_configs(spec: StudySpec, architecture: str, path: Path) -> Iterator[TrainingConfig]:
    """The configs of a file: one JSON object of fields a line, the others as the study has them."""
    epochs = {"max_epochs": EPOCHS[architecture], "patience": EPOCHS[architecture]}
    for line in path.read_text().splitlines():
        yield spec.config({"architecture": architecture, **json.loads(line), **epochs})


def main() -> None:
    spec = load_study("breakthrough")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="?", help="ratings to train on")
    parser.add_argument("--study", help="copy the trials of this study, and train nothing")
    parser.add_argument("--storage", default="sqlite:///studies.db")
    parser.add_argument("--architecture", required=True, choices=spec.architectures)
    parser.add_argument("--n", type=int, default=200, help="curves in all shards together")
    parser.add_argument(
        "--near-known", action="store_true", help="configs that share axes with the first known one"
    )
    parser.add_argument("--configs", type=Path, help="file of configs, one JSON object a line")
    parser.add_argument("--shard", default="0/1", help="K/N: every N-th config, from the K-th")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    if args.study:
        record_study(args.storage, args.study, args.architecture)
        return
    shard, n_shards = map(int, args.shard.split("/"))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ratings = load_ratings(args.dataset)
    split = split_ratings(ratings, spec.split)
    FOLDER.mkdir(exist_ok=True)
    if args.configs:
        kind, configs = args.configs.stem, read_configs(spec, args.architecture, args.configs)
        jobs = {index: iter([config]) for index, config in enumerate(configs)}
    else:
        kind = f"near-{shard}" if args.near_known else str(shard)
        jobs = {
            index: drawn_configs(spec, args.architecture, index, near_known=args.near_known)
            for index in range(shard, args.n, n_shards)
        }
    path = FOLDER / f"{args.architecture}-{kind}.jsonl"
    pattern = kind if args.configs else f"{kind.rstrip('0123456789')}[0-9]"
    for index, configs in jobs.items():
        if index in {curve["index"] for curve in read_curves(args.architecture, shards=pattern)}:
            continue
        run = record_run(configs, spec.limits, split, args.device)
        about = {
            "bias_val_rmse": run.bias_val_rmse,
            "fingerprint": split.fingerprint,
            "machine": machine(str(run.device)),
        }
        append(path, line_of(index, run.config, run.n_parameters, run.reports, **about))
        best = min((r.val_rmse for r in run.reports), default=float("nan"))
        train_s = sum(report.epoch_s for report in run.reports)
        print(f"{index}: best {best:.4f} in {len(run.reports)} epochs, {train_s:.0f} s", flush=True)


if __name__ == "__main__":
    main()
