"""One trial: from Optuna's suggestion through training to an ending with its reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna
import torch
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.storages import BaseStorage
from optuna.trial import Trial, TrialState

from ...base.messages import in_a_line
from ...data.splits.split import Split
from ...model.config import TrainingConfig, config_to_mapping
from ...model.runs.experiment import environment
from ...model.training.device import is_out_of_memory
from ...model.training.reports import EpochReport, best_report, write_reports
from ...model.training.training import Training
from ..definition.study_file import StudySpec
from ..pruners.divergence import Divergence
from ..pruners.progress import SICK, Progress, Stop
from ..pruners.trial_pruner import TrialPruner
from ..storage.trials import CONFIG, ENVIRONMENT, EPOCH_AT, INTERRUPTED, WORKER
from ..storage.worker import this_worker
from .endings import (
    Ending,
    beyond_limits,
    ending_of,
    last_epoch_reached,
    out_of_memory,
    out_of_patience,
    progress,
    same_config,
)
from .events import Watcher
from .repeats import take_over, trained_before
from .study_progress import spending

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
            self.error = in_a_line(error)
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
            if earlier := trained_before(trial.study, config):
                take_over(trial, earlier, self._storage)
                ending = same_config(earlier)
                assert earlier.value is not None
                return earlier.value
            training = Training(config, self._split, self._device)
            ending = self._train(trial, training)
        except Exception as error:
            if training is None or not is_out_of_memory(error):
                ending = Ending(TrialState.FAIL, None, in_a_line(error))
                raise
            epoch = len(training.reports) + 1
            ending = out_of_memory(trial, training.config, epoch, self._spec.space)
        finally:  # also on a second Ctrl-C, which waits for no epoch
            self._write(trial, training.reports if training else [], ending)
        if ending.state == TrialState.FAIL:
            raise InterruptedTrial(ending.reason)
        if ending.state == TrialState.PRUNED:
            raise optuna.TrialPruned(ending.reason)
        assert training is not None and training.best is not None
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
            if ending := self._beyond_limits(trial, run):
                return ending
            for report in run:
                trial.report(report.val_rmse, report.epoch)
                self._storage.set_trial_system_attr(
                    trial._trial_id, EPOCH_AT, datetime.now().isoformat()
                )
                self._watcher.epoch_ends(trial.number, run.config, report)
                if ending := self._judge(trial, run, report):
                    return ending
        raise AssertionError("a training that ends by itself has an ending")

    def _beyond_limits(self, trial: Trial, run: Training) -> Ending | None:
        """Tells the sampler where the trial lies; an ending if that is where none shall be."""
        limits = self._spec.limits
        found = limits.of(run.config, run.n_net_parameters) if limits else []
        for limit in found:
            trial.set_constraint(limit.name, limit.violation)
        beyond = [limit for limit in found if limit.violation > 0]
        return beyond_limits(beyond) if beyond else None

    def _judge(self, trial: Trial, run: Training, report: EpochReport) -> Ending | None:
        """An ending if the trial shall not go on, or has come to its end."""
        seen = progress(trial, run)
        if not report.finite:
            stop = Divergence().judge(seen)  # whatever the study's pruners are
            assert stop is not None
            return ending_of(stop, seen)
        if (stop := self._asked(trial, seen)) and stop.stop_reason in SICK:
            if stop.stop_reason == "gpu-memory":
                trial.set_constraint("gpu_memory", 1.0)
            return ending_of(stop, seen)  # in its last epoch too
        if report.epoch == run.config.max_epochs:
            return last_epoch_reached(seen)
        if run.ended_by_patience:
            return ending_of(out_of_patience(seen), seen)
        if stop or (stop := self._over_budget(trial)):
            return ending_of(stop, seen)
        if why := self._stop():
            return Ending(TrialState.FAIL, INTERRUPTED, f"{why} after epoch {report.epoch}")
        return None

    def _over_budget(self, trial: Trial) -> Stop | None:
        """Where the study's budget ends in the middle of a trial."""
        if self._spec.budget is None:
            return None
        why = self._spec.budget.exhausted(spending(trial.study.get_trials(deepcopy=False)))
        return Stop("budget", why) if why else None

    def _asked(self, trial: Trial, seen: Progress) -> Stop | None:
        """What the study's pruners say."""
        pruner = trial.study.pruner
        assert isinstance(pruner, TrialPruner)
        pruner.observe(trial.number, seen)
        if (warning := pruner.warning(seen)) != trial.user_attrs.get("warning"):
            trial.set_user_attr("warning", warning)  # None: it has passed
        return pruner.stop if trial.should_prune() else None

    def _write(self, trial: Trial, reports: list[EpochReport], ending: Ending) -> None:
        """The reports first: once a trial has a reason, all else that it leaves is there."""
        unkept = self._keep(trial, reports)
        trial.set_user_attr("epochs", len(reports))
        trial.set_user_attr("train_s", round(sum(report.train_s for report in reports), 3))
        if best := best_report(reports):
            trial.set_user_attr("val_rmse", best.val_rmse)
            trial.set_user_attr("val_mse", best.val_mse)
            trial.set_user_attr("best_epoch", best.epoch)
        if ending.stop_reason:
            trial.set_user_attr("stop_reason", ending.stop_reason)
        trial.set_user_attr("reason", f"{ending.reason}{unkept}")

    def _keep(self, trial: Trial, reports: list[EpochReport]) -> str:
        """Uploads the reports. A full disk costs the trial its reports, and not its result: what is
        to be added to its reason then."""
        if not reports:
            return ""
        try:
            with TemporaryDirectory() as folder:
                path = Path(folder, REPORTS_FILE)
                write_reports(path, reports)
                upload_artifact(
                    artifact_store=self._artifacts, file_path=str(path), study_or_trial=trial
                )
        except OSError as error:
            return f"; its epoch reports are lost: {in_a_line(error)}"
        return ""


class InterruptedTrial(Exception):  # noqa: N818 - nothing went wrong
    """The trial ended early through no fault of its own."""
