"""A study whose workers are killed at random moments loses nothing, and runs nothing twice."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from contextlib import closing, suppress
from threading import Event, Thread
from wsgiref.util import setup_testing_defaults

import optuna
import optuna_dashboard
import psutil
import pytest
import yaml
from recsys_search.search.definition.study_file import load_study, spec_to_json
from recsys_search.search.results.reader import StudyReader
from recsys_search.search.storage.artifacts import artifact_store, checkpoint_folder
from recsys_search.search.storage.database import readable_storage, writable_storage
from recsys_search.search.storage.studies import SPEC, create_study
from recsys_search.search.storage.trials import WORKER

START = "import sys; from recsys_search.cli import main; main(sys.argv[1:])"
# A checkpoint after each epoch, also in the processes that a start starts: Python runs this file.
EACH_EPOCH = """
import sys
from importlib.abc import MetaPathFinder

class Patch(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "recsys_search.search.workers.worker":
            sys.meta_path.remove(self)
            from recsys_search.model.training import checkpoints
            from recsys_search.search.workers import queue
            checkpoints.SAVE_EVERY_S = 0
            queue.MAX_KILLS = 1000
        return None

sys.meta_path.insert(0, Patch())
"""
STUDY = {
    "dataset": "demo:20k",
    "base": {"architecture": "two_tower", "max_epochs": 8, "patience": 8},
    "space": {"learning_rate": {"float": [1e-3, 1e-2], "log": True}},
}


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    ("n_workers", "n_trials", "n_kills"),
    [(2, 4, 3), pytest.param(4, 150, 200, marks=pytest.mark.slow)],
)
def test_a_study_survives_kills_of_its_workers(
    tmp_path, start_python, n_workers, n_trials, n_kills
):
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(EACH_EPOCH)
    study, storage = tmp_path / "study.yaml", f"sqlite:///{tmp_path}/studies.db"
    study.write_text(yaml.safe_dump({**STUDY, "trials": n_trials}))
    paths = [str(tmp_path / "hook"), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "OMP_NUM_THREADS": "1",
    }
    options = ["--study", study, "--storage", storage, "--workers", n_workers, "--quiet"]

    def start():
        with (tmp_path / "log").open("a") as log:
            return start_python(START, "start", *options, env=environment, stderr=log)

    rng, process, killed = random.Random(0), start(), 0
    while killed < n_kills and process.poll() is None:
        time.sleep(rng.uniform(0.2, 2.0))
        running = [trial for trial in trials_of(storage) if trial.state.name == "RUNNING"]
        pids = [trial.system_attrs[WORKER]["pid"] for trial in running]
        if pids and rng.random() < 0.95:
            with suppress(ProcessLookupError):
                os.kill(rng.choice(pids), signal.SIGKILL)
                killed += 1
        elif pids and killed > 2:  # the parent: its workers leave by themselves
            process.kill()
            process.wait()
            killed, process = killed + 1, start()
    if process.wait(2000) != 0:  # a worker died three times in a row before it ended a trial
        assert start().wait(2000) == 0, (tmp_path / "log").read_text()
    check_nothing_is_lost(StudyReader(storage), n_trials, storage)
    workers = {trial.system_attrs[WORKER]["pid"] for trial in trials_of(storage)}
    deadline = time.monotonic() + 20
    while any(map(psutil.pid_exists, workers)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(map(psutil.pid_exists, workers))
    print(f"{killed} kills, {len(trials_of(storage))} attempts at {n_trials} trials")


def trials_of(storage):
    try:
        reader = readable_storage(storage)
        return optuna.load_study(study_name="study", storage=reader).get_trials(deepcopy=False)
    except Exception:  # not created yet
        return []


def check_nothing_is_lost(reader, n_trials, storage):
    status, trials = reader.status(), reader.trials()
    assert (status["done"], status["complete"], status["failed"]) == (n_trials, n_trials, 0)
    assert (status["running"], status["waiting"]) == (0, 0)
    assert status["interrupted"] == len(trials) - n_trials
    retried = [trial["retry_of"] for trial in trials if trial["retry_of"] is not None]
    assert len(set(retried)) == len(retried) == status["interrupted"]  # each once
    for trial in trials:
        if trial["state"] == "complete":
            epochs = [report.epoch for report in reader.reports(trial["number"])]
            assert epochs == list(range(1, 9))
        if trial["resumed_from_epoch"] is not None:
            # No epoch is trained twice, except the one that was cut off.
            assert trial["resumed_from_epoch"] >= trials[trial["retry_of"]]["epochs"] - 1
    assert list(checkpoint_folder(storage).sizes()) == []
    path = storage.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


CLAIM = """
import sys, time
from optuna import load_study
from optuna.trial import TrialState
from recsys_search.search.storage.database import writable_storage
from recsys_search.search.storage.worker import worker_identity
from recsys_search.search.workers.queue import Claim, next_trial

with writable_storage(sys.argv[1]) as storage, worker_identity() as worker:
    study_id = storage.get_study_id_from_name("q")
    while True:
        claim = next_trial(storage, study_id, worker)
        if not isinstance(claim, Claim):
            if claim.is_final:
                break
            time.sleep(0.1)
            continue
        for epoch in range(5):
            time.sleep(float(sys.argv[2]) / 5)
            storage.set_trial_intermediate_value(claim.trial_id, epoch, 1.0)
        storage.set_trial_state_values(claim.trial_id, TrialState.COMPLETE, [1.0])
        print(claim.number, flush=True)
"""


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    ("n_processes", "n_trials", "trial_s"),
    [(3, 30, 0.1), pytest.param(16, 500, 1.0, marks=pytest.mark.slow)],
)
def test_many_processes_and_a_dashboard_share_a_file(
    tmp_path, start_python, n_processes, n_trials, trial_s
):
    url = f"sqlite:///{tmp_path}/studies.db"
    spec = load_study("demo").model_copy(update={"name": "q", "known": (), "trials": n_trials})
    with writable_storage(url) as storage:
        create_study("q", "minimize", {SPEC: spec_to_json(spec)}, storage)
    over, asked, errors = Event(), [], []

    def look():
        app = optuna_dashboard.wsgi(readable_storage(url), artifact_store(url, make=True))
        environ = {"PATH_INFO": "/api/studies/1", "QUERY_STRING": "after=0"}
        setup_testing_defaults(environ)
        while not over.wait(0.2):
            try:
                b"".join(app(dict(environ), lambda status, *_: asked.append(status)))
                StudyReader(url, "q").status()
            except Exception as error:
                errors.append(error)

    reader = Thread(target=look)
    reader.start()
    processes = [start_python(CLAIM, url, trial_s) for _ in range(n_processes)]
    outputs = [process.communicate(timeout=2500)[0] for process in processes]
    over.set()
    reader.join()
    assert [process.returncode for process in processes] == [0] * n_processes
    numbers = sorted(int(number) for output in outputs for number in output.split())
    assert numbers == list(range(n_trials))
    assert (errors, {status[:3] for status in asked}) == ([], {"200"})
