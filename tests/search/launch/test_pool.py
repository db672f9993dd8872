"""Several worker processes, and what becomes of a study when they or their parent are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from functools import partial

import optuna
import psutil
import pytest
from recsys_search.errors import DataError, StudyError
from recsys_search.search.launch import process_member
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.running.events import EpochEnded, Notice, StudyStarted, TrialEnded
from recsys_search.search.storage.database import readable_storage
from recsys_search.search.storage.trials import WORKER

# Long enough to be found running.
LONG = {"max_epochs": 400, "patience": 400}
START = "import sys; from recsys_search.cli import main; main(sys.argv[1:])"


@pytest.fixture
def start(workplace):
    def start(study, listener=lambda event: None, workers=2):
        name = run_study(study, workplace.storage, workers=workers, device="cpu", listener=listener)
        return workplace.read(name)

    return start


@pytest.fixture
def long_study(workplace):
    return workplace.write_study(base={**workplace.base, **LONG}, trials=4)


@pytest.fixture
def start_command(workplace, start_python, long_study):
    """`start --workers 2` in another process, once both workers train."""
    options = ["--workers", "2", "--storage", workplace.storage, "--device", "cpu", "--quiet"]
    process = start_python(START, "start", "--study", long_study, *options, stderr=subprocess.PIPE)
    wait_until(lambda: len(training(workplace)) == 2)
    yield process
    for pid in pids(workplace):
        if psutil.pid_exists(pid):
            psutil.Process(pid).kill()


def wait_until(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def all_trials(workplace):
    try:
        storage = readable_storage(workplace.storage)
        return optuna.load_study(study_name="small", storage=storage).get_trials(deepcopy=False)
    except Exception:  # not created yet
        return []


def training(workplace):
    """The running trials that have ended an epoch."""
    trials = all_trials(workplace)
    return [
        trial for trial in trials if trial.state.name == "RUNNING" and trial.intermediate_values
    ]


def pids(workplace):
    workers = [trial.system_attrs.get(WORKER) for trial in all_trials(workplace)]
    return {worker["pid"] for worker in workers if worker}


def check_done(reader, n_trials):
    """Each trial ended once, and the total is exact."""
    status, trials = reader.status(), reader.trials()
    assert (status["done"], status["complete"], status["failed"]) == (n_trials, n_trials, 0)
    assert (status["running"], status["waiting"]) == (0, 0)
    assert len([trial for trial in trials if trial["state"] == "complete"]) == n_trials


def test_two_workers_share_the_trials_of_a_study(workplace, start):
    events = []
    base = {**workplace.base, "max_epochs": 30, "patience": 30}
    reader = start(workplace.write_study(base=base, trials=4), events.append)
    check_done(reader, 4)
    assert len(pids(workplace) - {os.getpid()}) == 2
    ended = [event.record["number"] for event in events if isinstance(event, TrialEnded)]
    assert sorted(ended) == [0, 1, 2, 3]
    assert {event.number for event in events if isinstance(event, EpochEnded)} == {0, 1, 2, 3}
    rates = [reader.show(number)["config"]["learning_rate"] for number in range(4)]
    assert len(set(rates)) == 4


def test_the_values_of_a_trial_depend_on_its_number_and_not_on_the_workers(workplace, start):
    study = partial(workplace.write_study, trials=3)
    together = start(study("together"))
    alone = start(study("alone"), workers=1)
    for number in range(3):
        configs = [reader.show(number)["config"] for reader in (together, alone)]
        assert configs[0] == configs[1]


def test_a_worker_that_is_killed_is_replaced_and_its_trial_resumed(workplace, start):
    notices, killed = [], []

    def listen(event):
        if isinstance(event, Notice):
            notices.append(event.message)
        if isinstance(event, EpochEnded) and event.report.epoch == 3 and not killed:
            killed.append(all_trials(workplace)[event.number].system_attrs[WORKER]["pid"])
            os.kill(killed[0], signal.SIGKILL)

    base = {**workplace.base, "max_epochs": 60, "patience": 60}
    reader = start(workplace.write_study(base=base, trials=3), listen)
    check_done(reader, 3)
    assert any("was killed by signal 9; another takes its place" in each for each in notices)
    assert [trial["state"] for trial in reader.trials()].count("interrupted") == 1
    assert [trial["retry_of"] is not None for trial in reader.trials()].count(True) == 1


def test_workers_that_die_again_and_again_end_the_study(workplace, start, monkeypatch):
    monkeypatch.setattr(process_member.sys, "executable", "/bin/false")
    with pytest.raises(StudyError, match="ended with code 1, 3 times in a row, and no other is le"):
        start(workplace.write_study())


def test_an_error_of_a_worker_ends_the_study_with_its_words(workplace, start):
    def listen(event):
        if isinstance(event, StudyStarted):
            (workplace.folder / "ratings").rename(workplace.folder / "gone")

    with pytest.raises(DataError, match="ratings"):
        start(workplace.write_study(), listen)


def test_ctrl_c_ends_all_workers_with_everything_saved(workplace, start_command):
    workers = pids(workplace)
    start_command.send_signal(signal.SIGINT)
    _, stderr = start_command.communicate(timeout=60)
    assert start_command.returncode == 130
    assert "Traceback" not in stderr
    assert not any(map(psutil.pid_exists, workers))
    trials = workplace.read().trials()
    assert [trial["stop_reason"] for trial in trials] == ["interrupted"] * 2
    assert all(trial["reason"].startswith("Ctrl-C ") for trial in trials)
    assert workplace.read().status()["waiting"] == 2


def test_workers_leave_when_their_parent_is_killed(workplace, start_command):
    workers = pids(workplace)
    start_command.kill()
    start_command.communicate()
    wait_until(lambda: not any(map(psutil.pid_exists, workers)), 30)
    status = workplace.read().status()
    assert (status["running"], status["waiting"], status["interrupted"]) == (0, 2, 2)
