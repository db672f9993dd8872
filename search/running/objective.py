"""One trial: from Optuna's suggestion through training to an ending with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from ...base.folders import Folder
from ...base.messages import format_error
from ...data.splits.split import Split
from ...model.config import TrainingConfig, config_to_mapping
from ...model.evaluation.weighted import find_metric
from ...model.runs.environment import current_environment
from ...model.training.checkpoints import ResumableTraining
from ...model.training.device import is_out_of_memory
from ...model.training.machine import n_threads
from ...model.training.reports import EpochReport
from ...model.training.training import Training
from ..definition.sizes import parse_size
from ..definition.study_file import StudySpec
from ..pruners.divergence import Divergence
from ..pruners.rule import Kind, Progress, Stop
from ..pruners.trial_pruner import TrialPruner
from ..sharing.gpu import Gpu, OwnDevice
from ..storage.artifacts import ArtifactStore, upload_reports
from ..storage.failures import DATABASE_ERRORS, describe_database_error
from ..storage.trials import (
    CONFIG,
    CONTINUES,
    ENVIRONMENT,
    GPU_MEMORY,
    INTERRUPTED,
    OUT_OF_MEMORY,
    earlier_attempt,
    epochs_when_stopped,
    record_epoch,
)
from .checkpoint_folders import folder_name
from .ended_trials import EndedTrials
from .endings import (
    Ending,
    FailedTrial,
    InterruptedTrial,
    beyond_limits,
    failed,
    interrupted,
    is_frozen,
    last_epoch_reached,
    out_of_memory,
    out_of_patience,
    record_ending,
    same_config,
    stopped,
)
from .events import EpochEnded, Listener, TrialStarted, alarm, notifier
from .repeats import find_same_config, reuse_result
from .study_progress import spending
from .trial_progress import report_earlier_epochs, trial_progress


class Objective:
    """What `study.optimize` calls: trains a trial, reports each epoch, and records how it ended.

    Attributes:
        error: the last trial's error, if it failed with one.
        artifacts: the store of the trials' epoch reports.
        checkpoints: the folder for the trials' checkpoints.
        ended: what the study's ended trials add up to.
    """

    def __init__(
        self,
        spec: StudySpec,
        split: Split,
        storage: BaseStorage,
        artifacts: ArtifactStore,
        checkpoints: Folder,
        *,
        device: str,
        listener: Listener,
        should_stop: Callable[[], str | None],
        gpu: Gpu | None = None,
        learned_noise: Callable[[str], float | None] = lambda architecture: None,
    ) -> None:
        """Args:
        gpu: that the trials share with others. [default: `device` is theirs alone]
        learned_noise: architecture -> what another seed may change, in stars, by `confirm`.
        should_stop: called after each batch; the reason to end the trial, or None.
        """
        self.error: str | None = None
        self._spec = spec
        self._metric = find_metric(spec.objective.metric)
        self.ended = EndedTrials(self._metric)
        self._split, self._star = split, split.train.scale.star
        self._storage = storage
        self.artifacts = artifacts
        self.checkpoints = checkpoints
        self._keeps_frozen = parse_size(spec.keep_checkpoints) > 0
        self._device = device
        self._gpu = gpu or OwnDevice()
        self._listener = listener
        self._notify = notifier(listener)
        self._should_stop = should_stop
        self._learned_noise = learned_noise

    def __call__(self, trial: Trial) -> float:
        """The metric's value in the best epoch, or of an earlier trial with the same config.

        Raises:
            optuna.TrialPruned: the trial ends as PRUNED; its reason is already recorded.
            InterruptedTrial: the trial is to be queued again.
            FailedTrial: the trial failed with `error`.
            UpdateFinishedTrialError: another process has taken the trial for dead, and ended it.
            DATABASE_ERRORS: the storage failed; the trial is to be queued again.
        """
        self.error = None
        try:
            return self._run(trial)
        except (optuna.TrialPruned, InterruptedTrial, UpdateFinishedTrialError, *DATABASE_ERRORS):
            raise
        except Exception as error:
            self.error = format_error(error)
            raise FailedTrial(self.error) from error

    def _run(self, trial: Trial) -> float:
        training = None
        why = "stopped in the middle of an epoch"
        ending = Ending(TrialState.FAIL, INTERRUPTED, why, "stopped mid-epoch")
        try:
            values = self._spec.space.suggest(trial)
            config = self._spec.config(values, trial.user_attrs.get("fixed"))
            self._start(trial, config)
            if earlier := find_same_config(trial.study, config):
                reuse_result(trial, earlier, self._storage, self._metric)
                ending = same_config(earlier)
                assert earlier.value is not None
                return earlier.value
            training = Training(
                config,
                self._split,
                self._device,
                metric=self._metric,
                should_pause=lambda: self._should_stop() is not None,
            )
            ending = self._train(trial, training)
        except DATABASE_ERRORS as error:
            why = f"the storage failed: {describe_database_error(error)}"
            ending = Ending(TrialState.FAIL, INTERRUPTED, why, "the storage failed")
            raise
        except Exception as error:
            if training is None or not is_out_of_memory(error):
                ending = failed(error)
                raise
            epoch = len(training.reports) + 1
            neighbours = self._gpu.neighbours
            ending = out_of_memory(trial, training.config, epoch, self._spec.space, neighbours)
        finally:  # also after a second Ctrl-C, which does not wait for the epoch
            self._record(trial, training.reports if training else [], ending)
        if ending.state == TrialState.FAIL:
            raise InterruptedTrial(ending.reason)
        if ending.state == TrialState.PRUNED:
            raise optuna.TrialPruned(ending.reason)
        assert training is not None and training.best is not None
        return self._metric.of(training.best.report)

    def _start(self, trial: Trial, config: TrainingConfig) -> None:
        self._storage.set_trial_system_attr(trial._trial_id, CONFIG, config_to_mapping(config))
        trial.set_user_attr("architecture", config.architecture)
        label = trial.user_attrs.get("known_config")
        self._listener(TrialStarted(trial.number, config, label, earlier_attempt(trial)))

    def _train(self, trial: Trial, training: Training) -> Ending:
        with self._gpu.reserved(trial, training.config) as has_room:
            if not has_room:
                return interrupted(f"{self._should_stop()}", "before its first epoch")
            return self._train_reserved(trial, training)

    def _train_reserved(self, trial: Trial, training: Training) -> Ending:
        with training as run:
            self._record_run(trial, run)
            if ending := self._check_limits(trial, run):
                return ending
            checkpoints = self._checkpoints_of(trial)
            if checkpoints.resume(run):
                self._notify(report_earlier_epochs(trial, run, self._metric))
            try:
                ending = self._train_epochs(trial, run, checkpoints)
            except DATABASE_ERRORS:
                checkpoints.save(run, now=True)
                raise
            if ending.stop_reason == INTERRUPTED:
                checkpoints.save(run, now=True)
            elif self._keeps_frozen and is_frozen(ending.state, ending.stop_reason):
                checkpoints.save_last(run)
            return ending  # `tidy_checkpoints` removes the others, once the end is stored

    def _checkpoints_of(self, trial: Trial) -> ResumableTraining:
        """The checkpoints that all attempts at a trial share."""
        trials = trial.study.get_trials(deepcopy=False)
        name = folder_name(trials[trial.number], trials, trial.study)
        return ResumableTraining(self.checkpoints.child(name), alarm(self._listener, "folder"))

    def _train_epochs(self, trial: Trial, run: Training, checkpoints: ResumableTraining) -> Ending:
        # The storage may have failed before the last epoch of an earlier attempt was judged.
        unjudged = len(run.reports) > epochs_when_stopped(trial)
        if unjudged and (ending := self._judge(trial, run, run.reports[-1])):
            return ending
        for report in run:
            trial.report(self._metric.of(report), report.epoch)
            record_epoch(trial, report, self._storage)
            self._listener(EpochEnded(trial.number, run.config, report, self._metric))
            if ending := self._judge(trial, run, report):
                return ending
            checkpoints.save(run)
        # The last epoch has an ending, so it has paused.
        return interrupted(f"{self._should_stop()}", f"in epoch {len(run.reports) + 1}")

    def _record_run(self, trial: Trial, run: Training) -> None:
        trial.set_user_attr("params", run.n_parameters)
        self._storage.set_trial_system_attr(
            trial._trial_id,
            ENVIRONMENT,
            current_environment(device=str(run.device), amp=run.amp, threads=n_threads()),
        )
        if "bias_val_rmse" not in trial.study.user_attrs:
            trial.study.set_user_attr("bias_val_rmse", run.bias_val_rmse)

    def _check_limits(self, trial: Trial, run: Training) -> Ending | None:
        """Report each limit to the sampler as a constraint; return an ending if one is exceeded."""
        if (limits := self._spec.limits) is None:
            return None
        for limit in limits.of(run.config, run.n_net_parameters):
            trial.set_constraint(limit.name, limit.violation)
        exceeded = limits.exceeded(run.config, run.n_net_parameters)
        return beyond_limits(exceeded) if exceeded else None

    def _judge(self, trial: Trial, run: Training, report: EpochReport) -> Ending | None:
        """How the trial ends after this epoch, or None if it continues."""
        trials = trial.study.get_trials(deepcopy=False)
        self.ended.add(trials)
        settings = self._metric, self._star, self._learned_noise
        so_far = trial_progress(run, self.ended, *settings, shares_gpu=self._gpu.is_shared)
        if not (report.finite and isfinite(self._metric.of(report))):
            stop = Divergence().judge(so_far)  # whether or not the study names this pruner
            assert stop is not None
            return stopped(stop, so_far)
        stop = self._ask_pruners(trial, so_far)
        if stop and stop.infeasible:
            trial.set_constraint(stop.infeasible, 1.0)
        if stop and stop.kind is Kind.SICK:
            return stopped(stop, so_far)  # in the last epoch too
        if report.epoch == run.config.max_epochs:
            return last_epoch_reached(so_far)
        if run.ended_by_patience:
            return stopped(out_of_patience(so_far), so_far)
        if stop or (stop := self._check_budget(trials)):
            return stopped(stop, so_far)
        if why := self._should_stop():
            return interrupted(why, f"after epoch {report.epoch}")
        return None

    def _check_budget(self, trials: Iterable[FrozenTrial]) -> Stop | None:
        """A stop if the study's budget ran out during this trial."""
        if self._spec.budget is None:
            return None
        why = self._spec.budget.exhausted(spending(trials, self.ended))
        return Stop("budget", why, Kind.CUT_SHORT, brief="budget is spent") if why else None

    def _ask_pruners(self, trial: Trial, so_far: Progress) -> Stop | None:
        pruner = trial.study.pruner
        assert isinstance(pruner, TrialPruner)
        pruner.observe(trial.number, so_far, is_thawed=CONTINUES in trial.user_attrs)
        if (warning := pruner.warning(so_far)) != trial.user_attrs.get("warning"):
            trial.set_user_attr("warning", warning)  # None: it no longer applies
        return pruner.stop if trial.should_prune() else None

    def _record(self, trial: Trial, reports: list[EpochReport], ending: Ending) -> None:
        """Record the reports first and the reason last: a trial with a reason is fully recorded.

        A full disk costs a trial its reports, not its result; the reason says so.
        """
        lost = ""
        if reports:
            try:
                upload_reports(self.artifacts, trial, reports)
            except OSError as error:
                lost = f"; its epoch reports are lost: {format_error(error)}"
                alarm(self._listener, "folder")(f"trial {trial.number} has ended{lost}")
        if self._gpu.peak_mib is not None and (reports or ending.stop_reason == OUT_OF_MEMORY):
            trial.set_user_attr(GPU_MEMORY, self._gpu.peak_mib)
        record_ending(trial, ending, reports, self._metric, lost)
