"""A study whose processes are killed at random moments loses nothing, and trains nothing twice."""

from __future__ import annotations

import random
from contextlib import suppress
from itertools import islice
from signal import SIGKILL, SIGTERM
from time import monotonic, sleep

import psutil
import pytest
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.architectures.configs import config_from_mapping
from recsys_search.model.training.training import Training
from recsys_search.search.launch.plan import chosen_threads
from recsys_search.search.running.checkpoint_folders import folder_name
from recsys_search.search.storage.artifacts import checkpoint_folder
from recsys_search.search.storage.trials import (
    CONFIG,
    ENVIRONMENT,
    LAST_EPOCH,
    WORKER,
    is_counted,
    worker_died,
)

# A checkpoint after each epoch; and no worker or trial is given up, however often it is killed.
HOOK = """
from recsys_search.model.training import checkpoints
from recsys_search.search.launch import pool
from recsys_search.search.workers import queue

checkpoints.SAVE_EVERY_S = 0
pool.MAX_DEATHS = queue.MAX_KILLS = 1000
"""
N_EPOCHS = 10
STUDY = {
    "dataset": "demo:20k",
    "base": {
        "architecture": "two_tower",
        "amp": "off",
        "batch_size": 500,
        "latent_dim": 8,
        "max_epochs": N_EPOCHS,
        "patience": N_EPOCHS,
    },
    "space": {"learning_rate": {"float": [1e-3, 1e-2], "log": True}},
    "sampler": {"random": {"seed": 0}},
    "pruners": [{"median": {"startup_trials": 4, "warmup_epochs": 3}}],
}
SHARE_OF_PARENT = 0.03  # of the kills
# A start handles SIGTERM once it has read the study; one that is killed before just ends.
EXIT_CODES = {-SIGKILL, -SIGTERM, 128 + SIGTERM}


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("n_workers", "n_kills", "n_trials", "signals"),
    [
        pytest.param(2, 2, 2, [SIGKILL], id="few"),
        pytest.param(1, 20, 4, [SIGKILL, SIGTERM], id="one process", marks=pytest.mark.chaos),
        pytest.param(4, 200, 40, [SIGKILL], id="many", marks=pytest.mark.chaos),
    ],
)
def test_a_study_survives_kills_of_its_processes(processes, n_workers, n_kills, n_trials, signals):
    processes.write({**STUDY, "trials": n_trials}, HOOK)
    kills, total, began = Kills(processes, n_kills, signals), n_trials, monotonic()
    while True:
        parent = processes.start(n_workers=n_workers, n_trials=total)
        kills.during(parent)
        if code := parent.wait(600):
            assert code in EXIT_CODES, processes.messages
        elif kills.n < n_kills:
            total += n_trials
            assert total <= 10 * n_trials, "hardly any trial had a checkpoint to go on from"
        else:
            break
    seconds = monotonic() - began
    attempts_at_each = processes.check_nothing_is_lost(total)
    trials = processes.study.get_trials(deepcopy=False)
    assert {number: outcome(trials[number]) for number in kills.finished} == kills.finished
    for attempts in attempts_at_each:
        check_resuming(attempts, kills.with_checkpoint)
        *_, last = attempts
        reports = processes.reader.reports(last.number)
        assert reported_epochs(last) == [report.epoch for report in reports]
        assert len(reports) == N_EPOCHS or last.user_attrs["stop_reason"] == "median"
    longest = sorted(attempts_at_each, key=len)[-3:]
    for *_, last in longest:
        undisturbed = train(last, processes.reader.spec)
        assert [*last.intermediate_values.values()] == undisturbed
    print(
        f"{kills.n} kills, {total} trials in {seconds:.0f} s, {len(trials)} attempts "
        f"({sum(map(was_resumed, trials))} resumed, at most {len(longest[-1])} at a trial), "
        f"{sum(map(n_trained, trials))} epochs trained, "
        f"{sum(len(reported_epochs(last)) for *_, last in attempts_at_each)} needed"
    )


class Kills:
    """Kills processes at random moments.

    Attributes:
        n: kills so far.
        finished: trials that had ended at some moment, by number, with their outcome.
        with_checkpoint: numbers of the trials that had a whole checkpoint when they were killed.
    """

    def __init__(self, processes, wanted, signals):
        self.n, self.finished, self.with_checkpoint = 0, {}, set()
        self._processes, self._wanted, self._signals = processes, wanted, signals
        self._random = random.Random(0)

    def during(self, parent):
        """Kill until the parent has ended, or has been killed, or it is enough."""
        study = None
        while self.n < self._wanted and parent.poll() is None:
            sleep(self._random.uniform(0, 1))
            study = study or self._processes.study
            trials = study.get_trials(deepcopy=False) if study else []
            self.finished |= {trial.number: outcome(trial) for trial in trials if is_counted(trial)}
            running = [t for t in trials if t.state.name == "RUNNING" and not worker_died(t)]
            if self.n % 2:  # otherwise most trials would be killed before their first epoch
                running = [t for t in running if has_begun(t) and self._has_checkpoint(t, study)]
            if running and parent.poll() is None:
                self._kill(self._random.choice(running), study, parent)

    def _kill(self, trial, study, parent):
        has_checkpoint = self._has_checkpoint(trial, study)
        pid = trial.system_attrs[WORKER]["pid"]
        if self._random.random() < SHARE_OF_PARENT:
            pid = parent.pid
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).send_signal(self._random.choice(self._signals))
            self.n += 1
            if has_checkpoint:
                self.with_checkpoint.add(trial.number)
        if pid == parent.pid:
            parent.wait(60)  # a second SIGTERM would not wait for a checkpoint

    def _has_checkpoint(self, trial, study):
        name = folder_name(trial, study.get_trials(deepcopy=False), study)
        files = checkpoint_folder(self._processes.url).child(name).files()
        return any(file.endswith(".pt") for file in files)


def check_resuming(attempts, with_checkpoint):
    """No epoch is trained twice, except one that was cut off before its checkpoint was whole."""
    n_saved, has_checkpoint = 0, False
    for attempt in attempts:
        resumed_from = attempt.user_attrs.get("resumed_from_epoch", 0)
        if has_begun(attempt):
            assert resumed_from >= n_saved
            assert was_resumed(attempt) or not has_checkpoint
        n_epochs = len(reported_epochs(attempt))
        n_saved = max(n_saved, resumed_from, n_epochs - 1 if worker_died(attempt) else n_epochs)
        has_checkpoint |= attempt.number in with_checkpoint
    assert reported_epochs(attempts[-1]) == list(range(1, n_saved + 1))


def has_begun(attempt):
    """Whether it was not killed before its training began."""
    return was_resumed(attempt) or LAST_EPOCH in attempt.system_attrs


def was_resumed(attempt):
    return "resumed_from_epoch" in attempt.user_attrs


def n_trained(attempt):
    """How many epochs the attempt trained itself."""
    resumed_from = attempt.user_attrs.get("resumed_from_epoch", 0)
    return len(reported_epochs(attempt)) - resumed_from if has_begun(attempt) else 0


def reported_epochs(attempt):
    return sorted(attempt.intermediate_values)


def outcome(trial):
    return trial.state, trial.value, trial.datetime_complete


def train(trial, spec):
    """The trial's value after each epoch, when nothing cuts it off."""
    split = split_ratings(load_ratings(spec.dataset, options=spec.read_options), spec.split)
    config = config_from_mapping(trial.system_attrs[CONFIG])
    n_threads = trial.system_attrs[ENVIRONMENT]["threads"]
    with chosen_threads(n_threads), Training(config, split, "cpu") as run:
        return [report.val_rmse for report in islice(run, len(reported_epochs(trial)))]
