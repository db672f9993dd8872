"""A study whose process is killed at random moments loses nothing."""

from __future__ import annotations

import random
import signal
import sqlite3
from contextlib import closing
from subprocess import TimeoutExpired

import pytest
import yaml
from recsys_search.search.results.reader import StudyReader
from recsys_search.search.storage.artifacts import checkpoint_folder

# A checkpoint after each epoch, where one a minute is the default.
START = """
import sys
from recsys_search.cli import main
from recsys_search.model.training import checkpoints

checkpoints.SAVE_EVERY_S = 0
main(["start", "--study", sys.argv[1], "--storage", sys.argv[2], "--quiet"])
"""
STUDY = {
    "dataset": "demo:100k",
    "base": {"architecture": "two_tower", "max_epochs": 8},
    "space": {"learning_rate": {"float": [1e-3, 1e-2], "log": True}},
    "trials": 4,
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("n_kills", [20])
def test_a_study_survives_kills_at_random_moments(tmp_path, start_python, n_kills):
    study, storage = tmp_path / "study.yaml", f"sqlite:///{tmp_path}/studies.db"
    study.write_text(yaml.safe_dump(STUDY))
    rng = random.Random(0)
    for _ in range(n_kills):
        process = start_python(START, study, storage)
        try:
            process.wait(rng.uniform(3, 12))
            break  # it has ended by itself
        except TimeoutExpired:
            process.send_signal(rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            process.wait(60)
    assert start_python(START, study, storage).wait(600) == 0

    reader = StudyReader(storage)
    status, trials = reader.status(), reader.trials()
    assert (status["done"], status["complete"], status["failed"]) == (4, 4, 0)
    assert (status["running"], status["waiting"]) == (0, 0)
    assert status["interrupted"] == len(trials) - 4
    finished = [trial for trial in trials if trial["state"] == "complete"]
    assert all(trial["epochs"] == 8 for trial in finished)
    for trial in trials:
        earlier = trial["retry_of"]
        if trial["resumed_from_epoch"] is not None:
            # No epoch is trained twice, except the one that was cut off.
            assert trial["resumed_from_epoch"] >= trials[earlier]["epochs"] - 1
    for trial in finished:
        assert [report.epoch for report in reader.reports(trial["number"])] == list(range(1, 9))
    assert checkpoint_folder(storage).sizes() == {}
    with closing(sqlite3.connect(tmp_path / "studies.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
