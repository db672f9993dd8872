"""A study whose processes can be killed, and what must be true of it afterwards."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from time import monotonic, sleep

import optuna
import psutil
import pytest
import yaml
from recsys_search.errors import RecsysSearchError
from recsys_search.search.results.reader import StudyReader
from recsys_search.search.running.checkpoint_folders import list_checkpoints
from recsys_search.search.storage.artifacts import checkpoint_folder
from recsys_search.search.storage.database import readable_storage
from recsys_search.search.storage.examples import STORAGE_VARIABLE
from recsys_search.search.storage.trials import is_counted

COMMAND = "from recsys_search.cli import main; main()"
LEAVE_S = 30  # for the processes of a start that has been killed


class StudyProcesses:
    """One study in a storage of its own, and all processes that run or read it."""

    def __init__(self, folder, start_python):
        self.folder = folder
        self.url = f"sqlite:///{folder}/studies.db"
        self._start_python = start_python
        self._hook = folder / "hook"
        self._hook.mkdir()
        self._messages = folder / "messages.txt"

    def write(self, study, hook):
        """Write the study file. Args: hook: code that each process of a start runs first."""
        (self.folder / "study.yaml").write_text(yaml.safe_dump(study))
        (self._hook / "sitecustomize.py").write_text(hook)

    def start(self, *, n_workers, n_trials):
        options = ("--study", self.folder / "study.yaml", "--workers", n_workers)
        path = os.pathsep.join(filter(None, [str(self._hook), os.environ.get("PYTHONPATH")]))
        return self.call("start", *options, "--trials", n_trials, PYTHONPATH=path)

    def call(self, *arguments, **variables):
        """Start a command on the storage; what it prints comes to `messages`."""
        variables = {STORAGE_VARIABLE: self.url, "OMP_NUM_THREADS": "1", **variables}
        with self._messages.open("a") as messages:
            streams = {"stdout": messages, "stderr": messages}
            return self._start_python(COMMAND, *arguments, env=os.environ | variables, **streams)

    @property
    def messages(self):
        return self._messages.read_text()

    @property
    def reader(self):
        return StudyReader(self.url)

    @property
    def study(self):
        """The study as Optuna reads it; None before it is created."""
        with suppress(RecsysSearchError, KeyError):
            return optuna.load_study(study_name="study", storage=readable_storage(self.url))
        return None

    def alive(self):
        """The processes of all commands on the storage, also those whose parent was killed."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                is_ours = process.environ().get(STORAGE_VARIABLE) == self.url
                if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def check_nothing_is_lost(self, n_trials):
        """Each trial has ended once, and nothing is left behind; returns each trial's attempts."""
        deadline = monotonic() + LEAVE_S
        while self.alive() and monotonic() < deadline:
            sleep(0.1)
        assert self.alive() == []
        trials, reader = self.study.get_trials(deepcopy=False), self.reader
        attempts = attempts_at_each(trials)
        assert len(attempts) == n_trials
        for *interrupted, last in attempts:
            assert is_counted(last) and not any(map(is_counted, interrupted))
        status = reader.status()
        assert (status["done"], status["total"], status["failed"]) == (n_trials, n_trials, 0)
        assert (status["running"], status["waiting"], status["note"]) == (0, 0, None)
        assert status["interrupted"] == len(trials) - n_trials
        assert [trial.number for trial in trials] == list(range(len(trials)))
        checkpoints = checkpoint_folder(self.url)
        kept = list_checkpoints(self.study, checkpoints)
        assert len(kept) == len(checkpoints.sizes()) and all(each.is_frozen for each in kept)
        with closing(sqlite3.connect(self.folder / "studies.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert "Error" not in self.messages
        return attempts


def attempts_at_each(trials):
    """A list for each trial: its first attempt, and those that go on from the one before."""
    found, last = [], {}
    for trial in trials:
        earlier = trial.user_attrs.get("retry_of")
        if earlier is None:
            found.append(attempts := [])
        else:
            attempts = last.pop(earlier)  # a KeyError: two attempts go on from one
        attempts.append(trial)
        last[trial.number] = attempts
    return found


@pytest.fixture
def processes(tmp_path, start_python):
    """A study and its processes; none outlives the test."""
    processes = StudyProcesses(tmp_path, start_python)
    yield processes
    for process in processes.alive():
        with suppress(psutil.NoSuchProcess):
            process.kill()
