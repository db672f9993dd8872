"""Replays studies on recorded curves in random orders: what pruners save, and what they lose.

    python -m benchmarks.search.replay --curves benchmarks/curves --half judge \
        --out benchmarks/results

Nothing is trained: each curve is a trial that reports epoch by epoch to a study in memory and ends
as a pruner decides, ours with the project's rules and endings, Optuna's with their defaults. Prints
a Markdown table for each architecture and one for all in one study, as in docs/pruners.md, and
writes them as JSON.

Thresholds are tuned on the curves of even index and judged on those of odd index.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import RandomSampler
from optuna.trial import Trial, TrialState
from recsys_search.model.architectures.configs import config_from_mapping
from recsys_search.model.architectures.table import architecture_names
from recsys_search.model.config import config_to_mapping
from recsys_search.model.training.reports import report_of
from recsys_search.search.definition.study_file import load_study
from recsys_search.search.pruners import plateau
from recsys_search.search.pruners.divergence import Divergence
from recsys_search.search.pruners.resources import GpuMemory
from recsys_search.search.pruners.rule import Kind, Progress
from recsys_search.search.pruners.table import pruner_to_mapping
from recsys_search.search.pruners.trial_pruner import TrialPruner
from recsys_search.search.running.ended_trials import EndedTrials
from recsys_search.search.running.endings import Ending, last_epoch_reached, stopped
from recsys_search.search.running.trial_progress import trial_progress
from recsys_search.search.storage.trials import CONFIG

from benchmarks.keep import add_out, keep
from benchmarks.machine import machine
from benchmarks.search.curves import FOLDER, read_curves
from benchmarks.search.replay_figures import (
    Curve,
    Doubles,
    Outcome,
    Replay,
    best,
    epochs_to_best,
    epochs_used,
    lost,
    regret,
    summary,
    table,
    top,
)

MIN_CURVES = 20
RECORDED = ["two_tower", "hybrid"]
HALVES: dict[str, Callable[[int], bool]] = {
    "tune": lambda index: index % 2 == 0,
    "judge": lambda index: index % 2 == 1,
    "all": lambda index: True,
}


def read(architecture: str, folder: Path, half: str) -> list[Curve]:
    lines = {line["index"]: line for line in read_curves(architecture, folder)}
    return [curve_of(lines[index]) for index in sorted(lines) if HALVES[half](index)]


def curve_of(line: dict[str, Any]) -> Curve:
    columns = line["reports"]
    rows = zip(*columns.values(), strict=True)
    return Curve(
        index=line["index"],
        config=config_from_mapping(line["config"]),
        bias_val_rmse=line["bias_val_rmse"],
        reports=[report_of(dict(zip(columns, row, strict=True))) for row in rows],
    )


def policies(study: str) -> dict[str, Callable[[], BasePruner]]:
    """The policies to compare: the study's pruners together, each of them alone, and Optuna's own.

    GPU memory is left out: the curves have no such figures.
    """
    pruners = [pruner for pruner in load_study(study).pruners if not isinstance(pruner, GpuMemory)]
    by_name = {next(iter(pruner_to_mapping(pruner))): pruner for pruner in pruners}
    return {
        "none": optuna.pruners.NopPruner,
        study: lambda: TrialPruner(pruners),
        **{
            f"{name} alone": lambda pruner=pruner: TrialPruner([pruner])
            for name, pruner in by_name.items()
        },
        "Optuna median": optuna.pruners.MedianPruner,
        "Optuna percentile": lambda: optuna.pruners.PercentilePruner(25.0),
        "Optuna hyperband": lambda: optuna.pruners.HyperbandPruner(max_resource=30),
        "Optuna successive halving": optuna.pruners.SuccessiveHalvingPruner,
        "Optuna patient median": lambda: optuna.pruners.PatientPruner(
            optuna.pruners.MedianPruner(), patience=1
        ),
    }


def replayed(curves: Sequence[Curve], pruner: BasePruner, seed: int) -> Replay:
    """Replay one study with the curves in a random order."""
    # Hyperband derives a trial's bracket from the study's name.
    study = optuna.create_study(
        study_name=f"order {seed}", pruner=pruner, sampler=RandomSampler(seed=0)
    )
    judge = by_rules if isinstance(pruner, TrialPruner) else by_optuna
    outcomes = []
    for at in np.random.default_rng(seed).permutation(len(curves)):
        trial = study.ask()
        epochs, state = judge(trial, curves[at])
        complete = state == TrialState.COMPLETE
        study.tell(trial, best(curves[at], epochs) if complete else None, state)
        outcomes.append(Outcome(int(at), epochs, complete))
    return outcomes


def by_optuna(trial: Trial, curve: Curve) -> tuple[int, TrialState]:
    """Epochs and state, judged as in Optuna's examples."""
    trial.storage.set_trial_system_attr(trial._trial_id, CONFIG, config_to_mapping(curve.config))
    for report in curve.reports:
        trial.report(report.val_rmse, report.epoch)
        if trial.should_prune():
            return report.epoch, TrialState.PRUNED
    return len(curve.reports), TrialState.COMPLETE


def by_rules(trial: Trial, curve: Curve, done: int = 0) -> tuple[int, TrialState]:
    """Epochs and state, judged as in the objective. Args: done: epochs of a trial that goes on."""
    trial.storage.set_trial_system_attr(trial._trial_id, CONFIG, config_to_mapping(curve.config))
    ended = EndedTrials()
    ended.add(trial.study.get_trials(deepcopy=False))
    others = trial_progress(curve, ended)  # type: ignore[arg-type]
    for report in curve.reports[:done]:
        trial.report(report.val_rmse, report.epoch)
    for epoch in range(done + 1, len(curve.reports) + 1):
        progress = replace(others, reports=curve.reports[:epoch])
        if ending := ending_after(trial, progress, is_thawed=done > 0):
            trial.set_user_attr("stop_reason", ending.stop_reason)
            return epoch, ending.state
    raise AssertionError("the last epoch ends a trial")


def ending_after(trial: Trial, progress: Progress, *, is_thawed: bool = False) -> Ending | None:
    """The ending after the last report, in the order of `Objective`; None if it continues."""
    if not progress.last.finite:
        stop = Divergence().judge(progress)
        return stopped(stop, progress) if stop else None
    pruner = trial.study.pruner
    assert isinstance(pruner, TrialPruner)
    trial.report(progress.last.val_rmse, progress.last.epoch)
    pruner.observe(trial.number, progress, is_thawed=is_thawed)
    stop = pruner.stop if trial.should_prune() else None
    last_epoch = progress.last.epoch == progress.config.max_epochs
    if stop and (stop.kind is Kind.SICK or not last_epoch):
        return stopped(stop, progress)
    return last_epoch_reached(progress) if last_epoch else None


def measured(
    architectures: Sequence[str], folder: Path, half: str, study: str, policy: str, n_orders: int
) -> Doubles:
    """The figures of each order: epochs used, regret, epochs to the best and whether it was found,
    and a column for each top curve, 1 where it was lost: (n_orders, 4 + n_top)."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plateau.forecast = cache(plateau.forecast)  # a curve's forecast does not depend on the others
    curves = [curve for name in architectures for curve in read(name, folder, half)]
    rows = []
    for seed in range(n_orders):
        replay = replayed(curves, policies(study)[policy](), seed)
        gone = lost(curves, replay)
        figures = [epochs_used(curves, replay), regret(curves, replay)]
        rows.append(
            [*figures, *epochs_to_best(curves, replay), *(at in gone for at in top(curves))]
        )
    return np.array(rows, np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=Path, default=FOLDER, help="the folder of the curves")
    parser.add_argument(
        "--architectures", nargs="+", default=RECORDED, choices=architecture_names()
    )
    parser.add_argument("--study", default="breakthrough", help="study whose pruners are replayed")
    parser.add_argument("--half", default="all", choices=list(HALVES))
    parser.add_argument("--orders", type=int, default=200)
    add_out(parser)
    args = parser.parse_args()
    document: dict[str, Any] = {"machine": machine(), "half": args.half, "orders": args.orders}
    n_curves = {name: len(read(name, args.curves, args.half)) for name in args.architectures}
    enough = [name for name, n in n_curves.items() if n >= MIN_CURVES]
    for group in (*([name] for name in enough), *([enough] if len(enough) > 1 else [])):
        title, n = " and ".join(group), sum(n_curves[name] for name in group)
        print(f"\n{title}: {n} curves ({args.half}), {args.orders} orders\n", flush=True)
        names = list(policies(args.study))
        asked = (group, args.curves, args.half, args.study)
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            tasks = {name: pool.submit(measured, *asked, name, args.orders) for name in names}
            rows = {name: task.result() for name, task in tasks.items()}
        figures = {name: summary(rows[name], rows["Optuna median"]) for name in names}
        print(table(figures))
        document[title] = {"curves": n, "policies": figures}
    for name, n in n_curves.items():
        if n < MIN_CURVES:
            print(f"\n{name}: {n} curves are too few; {MIN_CURVES} are needed")
    keep(args.out, "replay", document)


if __name__ == "__main__":
    main()
