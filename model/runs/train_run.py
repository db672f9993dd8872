"""Trains one experiment to its end and saves it as a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

import torch

from ...base.callbacks import never_failing
from ...base.interrupts import Interrupts
from ...errors import RunError
from ..evaluation.weighted import find_metric
from ..training.checkpoints import ResumableTraining
from ..training.reports import EpochReport
from ..training.training import Training
from .changes import describe_changes
from .environment import current_environment
from .experiment import Experiment
from .refit import LAST_EPOCH, describe_refit
from .reproduction import compare_to_record, describe_reproduction
from .run_folder import check_creatable, check_space, checkpoint_folder, save_run


def train_run(
    experiment: Experiment,
    out: Path,
    *,
    device: str = "auto",
    on_epoch: Callable[[Training, EpochReport], None] = lambda training, report: None,
    notify: Callable[[str], None] = lambda message: None,
) -> dict[str, Any]:
    """Train an experiment to the end and save its best epoch as a run: in a refit, the last one.

    Ctrl-C, SIGTERM, SIGUSR1 or SIGHUP ends it after the batch, a second one at once; either way the
    best epoch is saved, and the next call with the same folder and experiment goes on from the last
    checkpoint, as it does after a crash.

    Args:
        out: a folder that does not exist yet, or that of an interrupted training.
        on_epoch: called after each epoch; an exception in it becomes a warning.
        notify: called with messages: how the config differs from its trial's, what is unusual in
            the ratings or the split, why training was cut short, and whether it reproduced the
            config's figure. An exception in it becomes a warning.

    Returns:
        The figures that `train --json` prints.

    Raises:
        RunError: `out` exists or cannot be created, no epoch had a finite value of the metric, or a
            refit diverged.
        KeyboardInterrupt: on Ctrl-C, once the run is saved.
        SystemExit: 143 on SIGTERM, 138 on SIGUSR1, 129 on SIGHUP, likewise.
    """
    check_creatable(out)
    on_epoch, notify = never_failing(on_epoch, "on_epoch"), never_failing(notify, "notify")
    ratings = experiment.load()
    experiment = experiment.pinned(ratings.fingerprint)
    if note := describe_changes(experiment):
        notify(note)
    split = experiment.cut(ratings)
    is_refit = experiment.refit_epochs is not None
    for note in filter(None, (describe_refit(experiment), *split.notes)):
        notify(note)
    interrupts = Interrupts(notify)
    checkpoints = ResumableTraining(checkpoint_folder(out), notify)
    with Training(
        experiment.config,
        split,
        device,
        metric=LAST_EPOCH if is_refit else find_metric(experiment.metric),
        should_pause=lambda: interrupts.received is not None,
    ) as training:
        check_space(out, training)
        bias_val_rmse = training.bias_val_rmse
        is_resumed = checkpoints.resume(training)
        if is_resumed:
            notify(f"goes on after {len(training.reports)} of {experiment.epochs} epochs")
        elif out.exists():
            raise RunError(f"{out} is another training's; choose another --out, or remove it")
        with interrupts.caught():
            for report in islice(training, experiment.epochs - len(training.reports)):
                on_epoch(training, report)
                if interrupts.received or not _is_finite(report, is_refit):
                    break
                checkpoints.save(training)
            if interrupts.received:
                checkpoints.save(training, now=True)
    if is_refit and training.reports and not _is_finite(training.reports[-1], is_refit):
        interrupts.leave()
        raise RunError(
            f"the refit diverged: the train loss of epoch {len(training.reports)} is not finite; "
            f"lower learning_rate ({experiment.config.learning_rate:g})"
        )
    if training.best is None:
        interrupts.leave()
        raise RunError(
            f"training diverged: no epoch had a finite {find_metric(experiment.metric).label}; "
            f"lower learning_rate ({experiment.config.learning_rate:g})"
        )
    result = _figures(training, experiment, bias_val_rmse, interrupts)
    environment = current_environment(
        device=str(training.device), amp=training.amp, threads=torch.get_num_threads()
    )
    done = replace(experiment, metrics=result, environment=environment)
    saved = save_run(out, done, training, replace=is_resumed)
    if result["stop_reason"] != "interrupted":
        checkpoints.remove()
    if saved != out:
        notify(f"{out} was created meanwhile by another program; saved the run in {saved}")
    cut_short = "interrupted" if interrupts.received else result["stop_reason"]
    if cut_short in ("interrupted", "diverged"):
        which = "last" if is_refit else "best"
        notify(f"{cut_short} in epoch {result['epochs']}; saved the {which} epoch in {saved}")
    interrupts.leave()
    reproduced = compare_to_record(experiment, training.reports, environment)
    if reproduced:
        notify(describe_reproduction(experiment.metric, reproduced))
    train_s = sum(report.train_s for report in training.reports)
    return {
        "run": str(saved),
        "refit_epochs": experiment.refit_epochs,
        **result,
        "ratings_per_s": round(len(split.train) * len(training.reports) / train_s),
        "reproduced": reproduced,
        "resumed_from_epoch": training.resumed_from_epoch,
    }


def _is_finite(report: EpochReport, is_refit: bool) -> bool:
    return isfinite(report.train_loss) if is_refit else report.finite


def _figures(
    training: Training, experiment: Experiment, bias_val_rmse: float, interrupts: Interrupts
) -> dict[str, Any]:
    """What `config.yaml` records about a training that has a best epoch.

    The validation figures of a refit are None.
    """
    assert training.best is not None
    best, names = training.best.report, find_metric(experiment.metric).recorded
    validation: dict[str, Any] = dict.fromkeys((*names, "bias_val_rmse", "best_epoch"))
    if experiment.refit_epochs is None:
        validation = {name: best.metric(name) for name in names}
        validation |= {"bias_val_rmse": bias_val_rmse, "best_epoch": best.epoch}
    return {
        **validation,
        "epochs": len(training.reports),
        "stop_reason": _stop_reason(training, experiment, interrupts),
        "train_s": round(sum(report.train_s for report in training.reports), 3),
    }


def _stop_reason(training: Training, experiment: Experiment, interrupts: Interrupts) -> str | None:
    """Why training ended early; None if it reached the last epoch."""
    if training.ended_by_patience:
        return "plateau"
    if len(training.reports) == experiment.epochs:
        return None
    return "interrupted" if interrupts.received else "diverged"
