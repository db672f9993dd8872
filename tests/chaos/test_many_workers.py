"""Many workers share a SQLite file while the dashboard and `status` read it."""

from __future__ import annotations

import json
import re
from time import monotonic, sleep
from urllib.request import urlopen

import pytest

# Each trial also sleeps, and each time that it is run leaves a line with its number.
HOOK = """
import random
import time
from recsys_search.search.running.objective import Objective

run = Objective.__call__

def run_slowly(objective, trial):
    with open(RUNS, "a") as runs:
        runs.write(f"{trial.number}\\n")
    time.sleep(random.uniform(0.5, 1.5) * TRIAL_S)
    return run(objective, trial)

Objective.__call__ = run_slowly
"""
STUDY = {
    "dataset": "demo:1k",
    "base": {"architecture": "biases"},
    "space": {"user_shrinkage": {"float": [0.5, 50], "log": True}},
    "sampler": {"random": {"seed": 0}},
}


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("n_workers", "n_trials", "trial_s"),
    [
        pytest.param(3, 12, 0.2, id="few"),
        pytest.param(16, 500, 1.0, id="many", marks=pytest.mark.chaos),
    ],
)
def test_many_workers_and_a_dashboard_share_a_file(processes, n_workers, n_trials, trial_s):
    runs = processes.folder / "runs.txt"
    settings = f"RUNS, TRIAL_S = {str(runs)!r}, {trial_s}\n"
    processes.write({**STUDY, "trials": n_trials}, settings + HOOK)
    began, n_done, n_reads = monotonic(), 0, 0
    parent = processes.start(n_workers=n_workers, n_trials=n_trials)
    while not processes.study:
        assert parent.poll() is None, processes.messages
        sleep(0.1)
    dashboard = processes.call("dashboard", "--port", 0)
    while not (address := re.search(r"dashboard at (\S+)/dashboard/", processes.messages)):
        assert dashboard.poll() is None, processes.messages
        sleep(0.1)
    while parent.poll() is None:
        with urlopen(f"{address[1]}/api/studies/1?after=0", timeout=60) as page:
            shown = json.load(page)["trials"]
        status = processes.reader.status()
        assert (status["failed"], status["interrupted"], status["waiting"]) == (0, 0, 0)
        assert n_done <= status["done"] <= status["done"] + status["running"] <= n_trials
        assert len(shown) <= status["done"] + status["running"]
        n_done, n_reads = status["done"], n_reads + 1
        sleep(0.2)
    assert parent.returncode == 0, processes.messages
    seconds = monotonic() - began
    dashboard.terminate()
    dashboard.wait(60)
    attempts = processes.check_nothing_is_lost(n_trials)
    assert [len(each) for each in attempts] == [1] * n_trials
    assert sorted(map(int, runs.read_text().split())) == list(range(n_trials))
    assert "is left to another process" not in processes.messages
    print(f"{n_trials} trials, {n_workers} workers, {seconds:.0f} s, {n_reads} reads")
