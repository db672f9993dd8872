"""Trains one experiment to its end and saves it as a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file

from ...base.callbacks import never_failing
from ...base.interrupts import Interrupts
from ...data.splits.split import split_ratings
from ...errors import RunError
from ..evaluation.metrics import METRICS
from ..training.reports import EpochReport, write_reports
from ..training.training import Training
from .environment import environment
from .experiment import Experiment, write_experiment
from .run import CONFIG, REPORTS, WEIGHTS


def train_run(
    experiment: Experiment,
    out: Path,
    *,
    device: str = "auto",
    on_epoch: Callable[[Training, EpochReport], None] = lambda training, report: None,
    notify: Callable[[str], None] = lambda message: None,
) -> dict[str, Any]:
    """Train an experiment to the end and save its best epoch as a run.

    Ctrl-C or SIGTERM ends it after the epoch, a second one at once; either way the best epoch is
    saved.

    Args:
        out: a folder that does not exist yet.
        on_epoch: called after each epoch; an exception in it becomes a warning.
        notify: called with a message about the split, or when training is cut short; likewise.

    Returns:
        The figures that `train --json` prints.

    Raises:
        RunError: `out` exists, or no epoch had a finite value of the metric.
        KeyboardInterrupt: on Ctrl-C, once the run is saved.
        SystemExit: 143 on SIGTERM, likewise.
    """
    _check_free(out)
    on_epoch, notify = never_failing(on_epoch, "on_epoch"), never_failing(notify, "notify")
    ratings = experiment.load()
    split = split_ratings(ratings, experiment.split)
    for note in split.notes:
        notify(note)
    interrupts = Interrupts(notify)
    with Training(experiment.config, split, device, metric=METRICS[experiment.metric]) as training:
        bias_val_rmse = training.bias_val_rmse
        with interrupts.caught():
            for report in training:
                on_epoch(training, report)
                if interrupts.received or not report.finite:
                    break
    if training.best is None:
        interrupts.leave()
        raise RunError(
            f"training diverged: no epoch had a finite {METRICS[experiment.metric].label}; "
            f"lower learning_rate ({experiment.config.learning_rate:g})"
        )
    best = training.best.report
    train_s = sum(report.train_s for report in training.reports)
    result = {
        "val_rmse": best.val_rmse,
        "val_mse": best.val_mse,
        experiment.metric: best.metric(experiment.metric),
        "bias_val_rmse": bias_val_rmse,
        "best_epoch": best.epoch,
        "epochs": len(training.reports),
        "stop_reason": _stop_reason(training, interrupts),
        "train_s": round(train_s, 3),
    }
    done = replace(
        experiment,
        fingerprint=ratings.fingerprint,
        metrics=result,
        environment=environment(
            device=str(training.device), amp=training.amp, threads=torch.get_num_threads()
        ),
    )
    _save(out, done, training)
    cut_short = "interrupted" if interrupts.received else result["stop_reason"]
    if cut_short in ("interrupted", "diverged"):
        notify(f"{cut_short} in epoch {result['epochs']}; saved the best epoch in {out}")
    interrupts.leave()
    ratings_per_s = len(split.train) * len(training.reports) / train_s
    return {"run": str(out), **result, "ratings_per_s": round(ratings_per_s)}


def _stop_reason(training: Training, interrupts: Interrupts) -> str | None:
    """Why training ended early; None if it reached the last epoch."""
    if training.ended_by_patience:
        return "plateau"
    if len(training.reports) == training.config.max_epochs:
        return None
    return "interrupted" if interrupts.received else "diverged"


def _check_free(out: Path) -> None:
    """Refuse a folder that cannot be written, before hours of training."""
    if out.exists():
        raise RunError(f"{out} already exists; choose another --out, or remove it")
    parent = out.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise RunError(
            f"{out} cannot be created: {parent} is not a writable folder; choose another --out"
        )


def _save(out: Path, experiment: Experiment, training: Training) -> None:
    """Save all or nothing: the folder gets its name when it is complete."""
    assert training.best is not None
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        partial = Path(folder, out.name)
        partial.mkdir()
        write_experiment(partial / CONFIG, experiment)
        write_reports(partial / REPORTS, training.reports)
        save_file(training.best.weights, partial / WEIGHTS)
        (partial / WEIGHTS).chmod((partial / CONFIG).stat().st_mode)  # safetensors says 0600
        partial.rename(out)
