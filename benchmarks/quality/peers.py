"""RMSE and NDCG of our models and of other libraries, on the same splits.

    python -m benchmarks.quality.peers ../ml-latest-small --split-seeds 42 43 --seeds 42 43 44 \
        --out benchmarks/results

The other libraries need: pip install -c benchmarks/constraints.txt -e '.[bench]'. Rows are measured
one by one and merged into the file, so `--rows ours` measures our models again and keeps the rest.
`--config NAME=FILE.yaml` adds a row for any config. docs/quality.md says how to read the tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean
from typing import Any

from recsys_search.data.data_folder import data_folder
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.model.config import TrainingConfig, config_to_mapping
from recsys_search.model.runs.experiment import read_experiment
from recsys_search.search.results.confirmation.standings import cut_overlap

from benchmarks.keep import add_out, keep
from benchmarks.quality.comparison.measuring import (
    Cut,
    Measured,
    measure_mean,
    measure_ours,
    measure_peer,
    measure_random,
)
from benchmarks.quality.comparison.ours import OURS, is_seeded, named_config
from benchmarks.quality.comparison.peers import PEERS, Peer
from benchmarks.quality.comparison.results import Results
from benchmarks.quality.comparison.table import compare, ranking_table, rating_table

RANDOM = "random"
GROUPS = {
    "ours": [name for name in OURS if name != "hybrid"],  # hybrid takes minutes per run
    "peers": [*PEERS, RANDOM],
}
ROWS = [*OURS, *PEERS, RANDOM]
INSTALL = "pip install -c benchmarks/constraints.txt -e '.[bench]'"


@dataclass(frozen=True)
class Plan:
    """A row to measure: how, and with which settings."""

    name: str
    kind: str
    settings: Any
    seeded: bool
    measure: Callable[[Cut, int], Measured]


def plan_ours(name: str, config: TrainingConfig) -> Plan:
    settings = {key: value for key, value in config_to_mapping(config).items() if key != "seed"}
    return Plan(name, "ours", settings, is_seeded(config), partial(measure_ours, config))


def plan_peer(name: str, peer: Peer) -> Plan:
    return Plan(name, "peer", peer.settings, peer.seeded, partial(measure_peer, peer))


def plan(name: str) -> Plan:
    """The plan of a named row."""
    if name in OURS:
        return plan_ours(name, named_config(name))
    if name == RANDOM:
        return Plan(name, "peer", "expectation", False, lambda cut, seed: measure_random(cut))
    return plan_peer(name, PEERS[name])


def missing_packages(names: list[str]) -> list[str]:
    """Packages that rows need and that are not installed."""
    needed = {package for name in names if name in PEERS for package in PEERS[name].packages}
    missing = []
    for package in sorted(needed):
        try:
            version(package)
        except PackageNotFoundError:
            missing.append(package)
    return missing


def measure_row(
    row: Plan, cut: Cut, seeds: list[int], results: Results, save: Callable[[], Any]
) -> None:
    """Measure a row with each seed on one split; if it is ours, also the mean of the seeds.

    Args:
        save: called after each run, so that an interruption loses only the one in progress.
    """
    runs = []
    for seed in seeds if row.seeded else seeds[:1]:
        runs.append(row.measure(cut, seed))
        results.add(row.name, row.kind, row.settings, runs[-1])
        run = runs[-1].run
        figures = " ".join(f"{key} {run[key]:.4f}" for key in ("rmse", "ndcg") if key in run)
        print(f"{row.name} split {cut.seed} seed {run['seed']}: {figures}", flush=True)
        save()
    if row.kind == "ours" and len(runs) > 1:
        settings = {"mean of": row.settings, "seeds": seeds}
        results.add(f"{row.name}-mean-of-{len(runs)}", "ours", settings, measure_mean(runs, cut))
        save()


def document(results: Results, splits: list[int], reference: str) -> dict[str, Any]:
    """Everything measured, and its comparison to a row on some splits."""
    overlap = cut_overlap(SplitSpec())
    return {
        **results.about,
        "splits": results.splits,
        "reference": reference,
        "rows": [results.rows[name] for name in sorted(results.rows)],
        "ratings": compare(results, "rmse", reference, splits, overlap),
        "rankings": compare(results, "ndcg", reference, splits, overlap),
    }


def named_file(text: str) -> tuple[str, TrainingConfig]:
    """The name and the config of NAME=FILE, where FILE is a `config.yaml`."""
    name, _, path = text.partition("=")
    if not name or not path:
        raise argparse.ArgumentTypeError(f"must look like NAME=FILE.yaml, got {text!r}")
    if name in ROWS:
        raise argparse.ArgumentTypeError(f"{name} is a row of its own; choose another name")
    return name, read_experiment(Path(path)).config


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--split-seeds", nargs="+", type=int, default=[42])
    parser.add_argument("--seeds", nargs="+", type=int, default=[42, 43, 44])
    parser.add_argument("--part", choices=["validation", "test"], default="validation")
    parser.add_argument("--rows", nargs="*", choices=[*GROUPS, *ROWS], default=list(GROUPS))
    parser.add_argument(
        "--config", nargs="+", type=named_file, default=[], metavar="NAME=FILE.yaml"
    )
    parser.add_argument("--reference", default="two_tower", help="row that others are compared to")
    parser.add_argument(
        "--errors", type=Path, help="folder for each rating's errors [default: in the data folder]"
    )
    add_out(parser)
    args = parser.parse_args()
    args.rows = [name for row in args.rows for name in GROUPS.get(row, [row])]
    if missing := missing_packages(args.rows):
        parser.error(f"{', '.join(missing)} not installed; run {INSTALL}, or use --rows ours")
    return args


def main() -> None:
    args = parse_arguments()
    plans = [plan(name) for name in args.rows]
    plans += [plan_ours(*named) for named in args.config]
    ratings = load_ratings(args.dataset)
    name = f"quality-{Path(args.dataset).name}-{args.part}"
    about = {
        "dataset": Path(args.dataset).name,
        "fingerprint": ratings.fingerprint,
        "part": args.part,
        "split": str(SplitSpec()),
    }
    folder = args.errors or data_folder() / "quality"
    results = Results(about, folder / ratings.fingerprint / args.part)

    def read() -> None:
        if args.out:
            results.read(args.out / f"{name}.json")

    def save() -> dict[str, Any]:
        read()
        compared = document(results, args.split_seeds, args.reference)
        keep(args.out, name, compared)
        return compared

    read()
    for seed in args.split_seeds:
        cut = Cut.of(ratings, args.dataset, seed, args.part)
        results.splits[str(seed)] = cut.baselines
        for row in plans:
            measure_row(row, cut, args.seeds, results, save)
    compared = save()
    bias_rmse = fmean(results.splits[str(seed)]["bias_rmse"] for seed in args.split_seeds)
    print(f"\n{rating_table(compared['ratings'], bias_rmse, args.reference)}")
    print(f"\n{ranking_table(compared['rankings'], args.reference)}")


if __name__ == "__main__":
    main()
