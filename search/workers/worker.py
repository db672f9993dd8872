"""One process of a study: claims a trial, trains it, and claims the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from ...base.callbacks import never_failing
from ...base.interrupts import pause
from ...data.splits.split import Split
from ...errors import StudyError
from ...model.evaluation.weighted import find_metric
from ..dashboard.enrichment import Enrichment
from ..definition.study_file import StudySpec
from ..presets.fit import data_sizes
from ..pruners.trial_pruner import TrialPruner
from ..running.checkpoint_folders import tidy_checkpoints
from ..running.endings import FailedTrial, InterruptedTrial
from ..running.events import Listener, TrialEnded, alarm, notifier
from ..running.objective import Objective
from ..running.study_progress import StudyProgress, spending, target_reached
from ..sharing.gpu import SharedGpu
from ..storage.artifacts import artifact_store, checkpoint_folder
from ..storage.trials import trial_record
from ..storage.worker import GRACE_S, worker_identity
from .heartbeat import Heartbeat
from .job import Job
from .planner import Planner
from .queue import Claim, NothingToRun, next_trial, recover

MAX_FAILURES_IN_A_ROW = 3
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 5.0


class Worker:
    """Runs trials of one study in this process until the study ends."""

    def __init__(
        self,
        spec: StudySpec,
        split: Split,
        storage: RDBStorage,
        job: Job,
        listener: Listener,
        should_stop: Callable[[], str | None],
    ) -> None:
        """Args: should_stop: asked after each batch; the reason to end, or None."""
        self._study = _ClaimedStudy(spec.name, storage)
        self._split = split
        self._star = split.train.scale.star
        self._storage = storage
        self._job = job
        self._listener = listener
        self._notify = notifier(listener)
        self._interrupted_by = should_stop
        self._heartbeat: Heartbeat | None = None
        self._identity: dict[str, Any] = {}
        enrichment = Enrichment(storage, self._study._study_id, spec.name, job.url)
        self._note_trial = never_failing(enrichment.trial_ended, "the dashboard's trial note")
        self._update_dashboard = never_failing(enrichment.update, "the dashboard's note or figures")
        self._use(spec)

    def run(self) -> str | None:
        """Run trials; while others run the last ones, wait in case these are interrupted.

        Returns:
            Why the study ends before its total; None if it has reached it.

        Raises:
            StudyError: trials keep failing, or the study has been deleted.
        """
        try:
            with worker_identity(self._job.run) as self._identity:
                reason = self._run_trials()
            # Figures take seconds, and after a signal there may be few.
            self._update_dashboard(is_last=True, with_figures=not self._interrupted_by())
            return reason
        finally:
            self.recover()  # what was interrupted is queued for any other process

    def recover(self) -> None:
        """End the trials of runs that are over, and queue again what was interrupted."""
        recover(self._storage, self._study._study_id)

    def _run_trials(self) -> str | None:
        errors: list[str] = []
        # What processes that died have left: their trials would seem to have run until now, and
        # to have spent the budget.
        self.recover()
        self._tidy()
        self._update_dashboard()
        while (reason := self._why_end()) is None:
            if len(errors) >= MAX_FAILURES_IN_A_ROW:
                raise StudyError(
                    f"the last {len(errors)} trials of {self._spec.name} failed, the latest with "
                    f"{errors[-1]}; fix the cause, then run start again"
                )
            claim = self._claim(self._planner.choose_thaw(self._objective.checkpoints))
            if isinstance(claim, NothingToRun):
                return self._describe_end(claim)
            if claim is None:
                continue
            self._run_trial(claim)
            self._tidy()
            self._update_dashboard()
            self._planner.look_ahead()
            errors = [*errors, self._objective.error] if self._objective.error else []
        return reason

    def _describe_end(self, end: NothingToRun) -> str | None:
        """Why no trial is left to run; None if the study has reached its total."""
        if end.tried_grid is not None and end.is_final:
            return (
                f"all {end.tried_grid:,} points of the grid of {self._spec.name} are tried, "
                f"{end.n_done:,} trials in total"
            )
        # A worker that serves all studies finds this one again when it goes on.
        is_reported = end.is_stopped and self._job.waits
        return f"study {self._spec.name} is stopped" if is_reported else None

    def _use(self, spec: StudySpec) -> None:
        """Run the trials by this version of the study, which another process may have changed."""
        metric = find_metric(spec.objective.metric)
        self._spec, self._metric = spec, metric
        self._planner = Planner(spec, self._study, self._storage, self._star, self._notify)
        self._study.pruner = TrialPruner(spec.pruners, metric)
        self._objective = Objective(
            spec,
            self._split,
            self._storage,
            artifact_store(self._job.url, make=True),
            checkpoint_folder(self._job.url),
            device=self._job.device,
            listener=self._listener,
            should_stop=self._should_stop,
            gpu=self._shared_gpu(spec),
            learned_noise=self._planner.learned_noise,
        )

    def _shared_gpu(self, spec: StudySpec) -> SharedGpu | None:
        """The GPU with its ledger, if several processes share it."""
        if self._job.trials_per_gpu is None:
            return None
        return SharedGpu(
            self._job.device,
            self._job.trials_per_gpu,
            data_sizes(self._split.train),
            is_random_split=spec.split.is_random,
            worker=lambda: self._identity,
            notify=self._notify,
            should_stop=self._should_stop,
        )

    def _should_stop(self) -> str | None:
        """Why the running trial is to end, or None."""
        return self._interrupted_by() or (self._heartbeat.stop_reason if self._heartbeat else None)

    def _why_end(self) -> str | None:
        """Why the study ends now; None if it goes on."""
        if reason := self._interrupted_by():
            return reason
        trials = self._study.get_trials(deepcopy=False)
        if target_reached(self._spec.objective.target, trials):
            return "the target is reached"
        budget = self._spec.budget
        if budget and (reason := budget.exhausted(spending(trials, self._objective.ended))):
            return reason
        return self._planner.why_finished(trials)

    def _claim(self, thaw: int | None) -> Claim | NothingToRun | None:
        """The next trial; None if it is time to look at the study again.

        Args:
            thaw: number of a stopped trial to go on with if nothing is queued.
        """
        pause_s, is_announced = FIRST_WAIT_S, False
        while True:
            found = next_trial(self._storage, self._study._study_id, self._identity, thaw)
            if found.spec != self._spec:
                self._use(found.spec)
            if isinstance(found, Claim):
                return found
            if found.is_final or not self._job.waits:
                return found
            if not is_announced:
                is_announced = True
                self._notify(_describe_wait(found))
            pause(pause_s, self._interrupted_by)
            pause_s = min(2 * pause_s, LONGEST_WAIT_S)
            if self._why_end():
                return None

    def _run_trial(self, claim: Claim) -> None:
        """Run a trial, and store how it ended.

        Raises:
            DATABASE_ERRORS, KeyboardInterrupt: the trial is to be queued again.
        """
        if claim.retry_of is not None:
            self._notify(f"trial {claim.retry_of} is tried again as trial {claim.number}")
        elif claim.continues is not None:
            self._notify(f"trial {claim.continues} goes on as trial {claim.number}")
        self._study.sampler = self._planner.sampler(claim.number)
        self._study.claimed = claim.trial_id
        value, state = None, TrialState.FAIL
        with Heartbeat(self._storage, self._study._study_id, claim.trial_id) as self._heartbeat:
            trial = self._study.ask()
            try:
                value, state = self._objective(trial), TrialState.COMPLETE
            except optuna.TrialPruned:
                state = TrialState.PRUNED
            except (FailedTrial, InterruptedTrial):
                pass
            except UpdateFinishedTrialError:
                self._yield(claim)
                return
            except BaseException:
                self._tell(claim, None, TrialState.FAIL)
                raise
            self._tell(claim, value, state)

    def _tell(self, claim: Claim, value: float | None, state: TrialState) -> None:
        """Store the trial's end, unless another process has ended it."""
        if self._storage.get_trial(claim.trial_id).state != TrialState.RUNNING:
            self._yield(claim)
            return
        try:
            self._study.tell(claim.number, value, state)
        except UpdateFinishedTrialError:  # in this very moment
            self._yield(claim)
        else:
            self._announce(claim)

    def _yield(self, claim: Claim) -> None:
        """Leave the trial to the process that has taken this one for dead, and goes on with it."""
        self._notify(
            f"trial {claim.number} is left to another process: this one had sent no heartbeat for "
            f"{GRACE_S // 60} minutes"
        )

    def _tidy(self) -> None:
        notify = alarm(self._listener, "folder")
        tidy_checkpoints(self._study, self._spec, self._objective.checkpoints, notify)
        self._objective.artifacts.tidy(notify)

    def _announce(self, claim: Claim) -> None:
        trials = self._study.get_trials(deepcopy=False)
        bias_val_rmse = self._study.user_attrs.get("bias_val_rmse")
        progress = StudyProgress.of(trials, self._metric, bias_val_rmse)
        record = trial_record(trials[claim.number], self._metric)
        self._listener(TrialEnded(record, progress.best, self._metric, progress))
        self._note_trial(trials, claim.number, self._metric, bias_val_rmse)


class _ClaimedStudy(optuna.Study):
    """A study whose `ask` returns the trial that has been claimed."""

    claimed: int

    def _pop_waiting_trial_id(self) -> int:
        self.get_trials(deepcopy=False)  # Optuna's cache has not seen it yet
        return self.claimed


def _describe_wait(found: NothingToRun) -> str:
    if found.n_running == 1:
        return "waiting for 1 trial that another worker runs"
    return f"waiting for {found.n_running} trials that other workers run"
