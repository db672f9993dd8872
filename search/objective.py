"""One trial: from Optuna's suggestion through training to an ending with its reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import optuna
import torch
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from ..data.splits import Split
from ..model.config import TrainingConfig, config_to_mapping
from ..model.experiment import environment
from ..model.reports import EpochReport, best_report, write_reports
from ..model.training import Training
from .study_file import StudySpec
from .trials import CONFIG, ENVIRONMENT, INTERRUPTED, WORKER, Ending
from .watcher import Watcher
from .worker import this_worker

REPORTS_FILE = "reports.jsonl"


class Objective:
    """What `study.optimize` calls: trains, reports each epoch, and writes down how it ended.

    Args:
        stop: asked after each epoch; a sentence if the trial must end here, else None.
    """

    def __init__(
        self,
        spec: StudySpec,
        split: Split,
        storage: BaseStorage,
        artifacts: FileSystemArtifactStore,
        *,
        device: str,
        watcher: Watcher,
        stop: Callable[[], str | None],
    ) -> None:
        self._spec = spec
        self._split = split
        self._storage = storage
        self._artifacts = artifacts
        self._device = device
        self._watcher = watcher
        self._stop = stop
        self.error: str | None = None  # the last trial's, if it failed

    def __call__(self, trial: Trial) -> float:
        """The best epoch's validation RMSE.

        Raises:
            optuna.TrialPruned: the trial ended as PRUNED; its reason is written already.
            InterruptedTrial: it is to be queued again.
        """
        self.error = None
        try:
            return self._run(trial)
        except (optuna.TrialPruned, InterruptedTrial):
            raise
        except Exception as error:  # also one of the storage, when it can keep no reason
            self.error = told(error)
            raise

    def _run(self, trial: Trial) -> float:
        self._storage.set_trial_system_attr(trial._trial_id, WORKER, this_worker())
        training = None
        ending = Ending(TrialState.FAIL, INTERRUPTED, "stopped in the middle of an epoch")
        try:
            config = self._spec.config(
                self._spec.space.suggest(trial), trial.user_attrs.get("fixed")
            )
            self._begin(trial, config)
            training = Training(config, self._split, self._device)
            ending = self._train(trial, training)
        except Exception as error:
            ending = Ending(TrialState.FAIL, None, told(error))
            raise
        finally:  # also on a second Ctrl-C, which waits for no epoch
            self._write(trial, training.reports if training else [], ending)
        if ending.stop_reason == INTERRUPTED:
            raise InterruptedTrial(ending.reason)
        if ending.state == TrialState.PRUNED:
            raise optuna.TrialPruned(ending.reason)
        assert training.best is not None
        return training.best.report.val_rmse

    def _begin(self, trial: Trial, config: TrainingConfig) -> None:
        self._storage.set_trial_system_attr(trial._trial_id, CONFIG, config_to_mapping(config))
        trial.set_user_attr("architecture", config.architecture)
        self._watcher.trial_begins(trial.number, config, trial.user_attrs.get("known_config"))

    def _train(self, trial: Trial, training: Training) -> Ending:
        with training as run:
            trial.set_user_attr("params", run.n_parameters)
            self._storage.set_trial_system_attr(
                trial._trial_id,
                ENVIRONMENT,
                environment(device=str(run.device), amp=run.amp, threads=torch.get_num_threads()),
            )
            if "bias_val_rmse" not in trial.study.user_attrs:
                trial.study.set_user_attr("bias_val_rmse", run.bias_val_rmse)
            for report in run:
                trial.report(report.val_rmse, report.epoch)
                self._watcher.epoch_ends(trial.number, run.config, report)
                if ending := self._judge(trial, run, report):
                    return ending
            return natural_ending(run)

    def _judge(self, trial: Trial, run: Training, report: EpochReport) -> Ending | None:
        """An ending if the trial shall not go on; None also after its last epoch."""
        if not report.finite:
            return diverged(run.config, report)
        if run.ended_by_patience or report.epoch == run.config.max_epochs:
            return None
        if why := self._stop():
            return Ending(TrialState.FAIL, INTERRUPTED, f"{why} after epoch {report.epoch}")
        if trial.should_prune():
            others = trial.study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
            return hopeless(run.reports, others)
        return None

    def _write(self, trial: Trial, reports: list[EpochReport], ending: Ending) -> None:
        """The reports first: once a trial has a reason, all else that it leaves is there."""
        if reports:
            with TemporaryDirectory() as folder:
                path = Path(folder, REPORTS_FILE)
                write_reports(path, reports)
                upload_artifact(
                    artifact_store=self._artifacts, file_path=str(path), study_or_trial=trial
                )
        trial.set_user_attr("epochs", len(reports))
        trial.set_user_attr("train_s", round(sum(report.train_s for report in reports), 3))
        if best := best_report(reports):
            trial.set_user_attr("val_rmse", best.val_rmse)
            trial.set_user_attr("val_mse", best.val_mse)
            trial.set_user_attr("best_epoch", best.epoch)
        if ending.stop_reason:
            trial.set_user_attr("stop_reason", ending.stop_reason)
        trial.set_user_attr("reason", ending.reason)


class InterruptedTrial(Exception):  # noqa: N818 - nothing went wrong
    """The trial ended early through no fault of its own."""


def natural_ending(run: Training) -> Ending:
    """Of a training that ended by itself."""
    assert run.best is not None
    best, last = run.best.report, run.reports[-1]
    if last.epoch < run.config.max_epochs:
        return Ending(
            TrialState.COMPLETE,
            "plateau",
            f"validation RMSE no better than {best.val_rmse:.4f} (epoch {best.epoch}) "
            f"for {run.config.patience} epochs",
        )
    return Ending(
        TrialState.COMPLETE,
        None,
        f"ran all {last.epoch} epochs; the best was epoch {best.epoch}",
    )


def diverged(config: TrainingConfig, report: EpochReport) -> Ending:
    return Ending(
        TrialState.PRUNED,
        "diverged",
        f"loss {report.train_loss:g} and validation RMSE {report.val_rmse:g} in epoch "
        f"{report.epoch}, at learning rate {config.learning_rate:g}",
    )


def hopeless(reports: list[EpochReport], completed: list[FrozenTrial]) -> Ending:
    """In the words of the median pruner: best so far against the others at the same epoch."""
    epoch = reports[-1].epoch
    best = best_report(reports)
    assert best is not None
    values = [
        trial.intermediate_values[epoch]
        for trial in completed
        if epoch in trial.intermediate_values
    ]
    return Ending(
        TrialState.PRUNED,
        "hopeless",
        f"best validation RMSE {best.val_rmse:.4f} by epoch {epoch} is above {median(values):.4f}, "
        f"the median of the {len(values)} completed trials that came to it",
    )


def told(error: Exception) -> str:
    """An error as a trial's reason."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:500] if text else type(error).__name__
