"""How the times of a study grow with the number of its trials, in one SQLite file.

    python -m benchmarks.studies.storage 1 100 1000 5000 --out benchmarks/results

The trials are synthetic: `breakthrough`'s space, 20 epochs, a mix of completed and pruned ones.
Nothing is trained. Each time is a median; a command is a process of its own, imports included.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
from benchmarks.keep import add_out, keep
from benchmarks.machine import machine
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from recsys_search.model.evaluation.weighted import find_metric
from recsys_search.search.pruners.trial_pruner import TrialPruner
from recsys_search.search.results.reader import StudyReader
from recsys_search.search.running.events import ignore
from recsys_search.search.running.objective import Objective
from recsys_search.search.running.opening import open_study
from recsys_search.search.samplers.build import trial_sampler
from recsys_search.search.storage.artifacts import artifact_store, checkpoint_folder
from recsys_search.search.storage.database import writable_storage
from recsys_search.search.storage.trials import best_trials, trial_record
from recsys_search.search.storage.worker import worker_identity
from recsys_search.search.workers.queue import Claim, next_trial, recover
from benchmarks.studies.synthetic_study import EPOCHS, IDENTITY, healthy_reports, store_study, study_spec

COMMANDS = ("status", "trials", "studies", "best")
RUN = "from recsys_search.cli import main; main()"
REPEATS = 3
SUGGESTIONS = 10
GOALS = {"status_more_s": 1.5, "suggest_s": 0.5, "epoch_ms": 20}
"""Upper limits at 5,000 trials; `status_more_s` is against the first row."""


def measure(folder: Path, n_trials: int) -> dict[str, Any]:
    url = f"sqlite:///{folder}/studies.db"
    store_study(url, n_trials)
    commands = {f"{name}_s": seconds(lambda name=name: run(name, url)) for name in COMMANDS}
    read_s = seconds(lambda: StudyReader(url).status())
    return {"trials": n_trials, **commands, "read_s": read_s, **worker_times(url)}


def run(command: str, url: str) -> None:
    subprocess.run(
        [sys.executable, "-c", RUN, command, "--storage", url],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def worker_times(url: str) -> dict[str, float]:
    """What a process that runs trials waits for, in the order in which it happens."""
    spec = study_spec()
    metric = find_metric(spec.objective.metric)
    with writable_storage(url) as storage, worker_identity() as worker:
        started_at = perf_counter()
        study = open_study(spec, IDENTITY, storage)
        open_s = perf_counter() - started_at
        study.pruner = TrialPruner(spec.pruners, metric)
        claims, suggestions = [], []
        for number in range(SUGGESTIONS):
            started_at = perf_counter()
            claim = next_trial(storage, study._study_id, worker)
            claims.append(perf_counter() - started_at)
            assert isinstance(claim, Claim)
            storage.set_trial_state_values(claim.trial_id, TrialState.PRUNED)
            study.sampler = trial_sampler(spec, number)
            started_at = perf_counter()
            trial = study.ask()
            spec.space.suggest(trial)
            suggestions.append(perf_counter() - started_at)
            study.tell(trial, state=TrialState.PRUNED)
        epochs = epoch_times(study, storage, url)

        def announce() -> None:
            ranked = best_trials(study.get_trials(deepcopy=False), metric)
            trial_record(ranked[0], metric)

        return {
            "open_s": open_s,
            "first_suggest_s": suggestions[0],
            "suggest_s": median(suggestions[1:]),
            "claim_s": median(claims),
            "epoch_ms": 1000 * median(epochs),
            "slowest_epoch_ms": 1000 * max(epochs),
            "announce_ms": 1000 * seconds(announce),
            "recover_ms": 1000 * seconds(lambda: recover(storage, study._study_id)),
        }


def epoch_times(study: optuna.Study, storage: RDBStorage, url: str) -> list[float]:
    """Seconds that the objective takes between two epochs of a trial."""
    spec = study_spec()
    objective = Objective(
        spec,
        SimpleNamespace(train=SimpleNamespace(scale=SimpleNamespace(star=1.0))),
        storage,
        artifact_store(url, make=True),
        checkpoint_folder(url),
        device="cpu",
        listener=ignore,
        should_stop=lambda: None,
    )
    study.enqueue_trial({"architecture": "two_tower"})  # the same for each number of trials
    trial = study.ask()
    run = Epochs(spec.config(spec.space.suggest(trial), None))
    objective._train_epochs(trial, run, SimpleNamespace(save=lambda run: None))
    study.tell(trial, state=TrialState.PRUNED)
    return run.times


class Epochs:
    """Stands in for a `Training`: its epochs take no time, so what passes is the bookkeeping."""

    bias_val_rmse = 0.87
    ended_by_patience = False

    def __init__(self, config: Any) -> None:
        self.config = config
        self.reports: list[Any] = []
        self.times: list[float] = []

    def __iter__(self) -> Iterator[Any]:
        for report in healthy_reports(0.81, np.random.default_rng(1)):
            self.reports.append(report)
            started_at = perf_counter()
            yield report
            self.times.append(perf_counter() - started_at)


def seconds(action: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        started_at = perf_counter()
        action()
        times.append(perf_counter() - started_at)
    return median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trials", type=int, nargs="+")
    add_out(parser)
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for n in args.trials:
        with TemporaryDirectory() as folder:
            row = measure(Path(folder), n)
        row["status_more_s"] = row["status_s"] - (rows or [row])[0]["status_s"]
        rows.append({name: round(value, 3) for name, value in row.items()})
        if len(rows) == 1:
            print("  ".join(name.rjust(6) for name in row))
        values = rows[-1].items()
        print(
            "  ".join(f"{value:g}".rjust(max(6, len(name))) for name, value in values), flush=True
        )
    for name, limit in GOALS.items():
        print(f"{name}: {rows[-1][name]:g}, limit {limit:g} at 5,000 trials of {EPOCHS} epochs")
    keep(args.out, "storage", {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
