"""Test RMSE of each architecture's defaults compared to the biases, over seeds, on one split.

    python -m benchmarks.quality.accuracy ../ml-latest-small --seeds 42 43 44 \
        --out benchmarks/results

Prints a table and writes it as JSON with the machine. Existing rows of other architectures are
kept if they are of the same split and machine.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from recsys_search.data.sets.loading import dataset_reference
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.model.architectures.configs import build_config, config_fields
from recsys_search.model.architectures.table import architecture_names
from recsys_search.model.config import TrainingConfig, config_to_mapping
from recsys_search.model.runs.experiment import Experiment
from recsys_search.model.runs.run import Run
from recsys_search.model.runs.train_run import train_run

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine


def configs(architecture: str, seeds: list[int]) -> list[TrainingConfig]:
    """The default config with each seed, or once if the architecture has no seed."""
    if "seed" not in config_fields(architecture):
        return [build_config(architecture)]
    return [build_config(architecture, seed=seed) for seed in seeds]


def measure(experiment: Experiment) -> dict[str, Any]:
    """Test figures of one training, timed from reading the data to the end."""
    with TemporaryDirectory() as folder:
        started_at = perf_counter()
        result = train_run(experiment, Path(folder, "run"))
        total_s = perf_counter() - started_at
        run = Run.load(Path(folder, "run"))
        test = run.evaluate("test")
    return {
        "architecture": experiment.config.architecture,
        "seed": config_to_mapping(experiment.config).get("seed"),
        "val_rmse": round(result["val_rmse"], 4),
        "test_rmse": round(test["rmse"], 4),
        "bias_test_rmse": round(test["bias_rmse"], 4),
        "below_biases": round(test["bias_rmse"] - test["rmse"], 4),
        "epochs": result["epochs"],
        "total_s": round(total_s, 1),
        "environment": dict(run.experiment.environment),
    }


def rows_of_others(path: Path, about: dict[str, Any], measured: list[str]) -> list[dict[str, Any]]:
    """Rows in the file of architectures that are not measured in this run."""
    written = json.loads(path.read_text()) if path.exists() else {"rows": []}
    if any(written.get(name) != value for name, value in about.items()):
        return []
    return [row for row in written["rows"] if row["architecture"] not in measured]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument(
        "--architectures", nargs="+", default=architecture_names(), choices=architecture_names()
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[42, 43, 44])
    parser.add_argument("--split-seed", type=int, default=42)
    add_out(parser)
    args = parser.parse_args()

    split = SplitSpec(seed=args.split_seed)
    rows = []
    for architecture in args.architectures:
        for config in configs(architecture, args.seeds):
            experiment = Experiment(
                config=config, dataset=dataset_reference(args.dataset), split=split
            )
            rows.append(measure(experiment))
            if len(rows) == 1:
                print("  ".join(name for name in rows[0] if name != "environment"))
            shown = {name: value for name, value in rows[-1].items() if name != "environment"}
            print("  ".join(str(value).rjust(len(name)) for name, value in shown.items()))
        measured = [row for row in rows if row["architecture"] == architecture]
        print(
            f"{architecture}: mean test RMSE {mean(row['test_rmse'] for row in measured):.4f}, "
            f"{mean(row['below_biases'] for row in measured):.4f} below the biases"
        )
    if args.out:
        file = f"accuracy-{Path(args.dataset).name}"
        about = {"dataset": Path(args.dataset).name, "split": asdict(split), "machine": machine()}
        rows += rows_of_others(args.out / f"{file}.json", about, args.architectures)
        rows.sort(key=lambda row: architecture_names().index(row["architecture"]))
        keep(args.out, file, {**about, "rows": rows})


if __name__ == "__main__":
    main()
