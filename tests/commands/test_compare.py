"""The command that compares two trials, and hyperparameters in what `trials` writes."""

from __future__ import annotations

import csv
import json

import pytest


def test_two_trials_are_compared(done):
    outcome = done("compare", "0", "1")
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["trial", "0", "trial", "1", "difference"]
    assert lines[1].split() == ["state", "complete", "complete"]
    (rmse,) = [line.split() for line in lines if line.startswith("val_rmse")]
    assert float(rmse[3]) == pytest.approx(float(rmse[2]) - float(rmse[1]), abs=2e-4)
    assert any(line.split() == ["architecture", "two_tower", "hybrid"] for line in lines)
    assert "● trial 0   ○ trial 1" in map(str.strip, lines)
    assert lines[-1] == "trial 1 complete: ran all 2 epochs; the best was epoch 2"


def test_the_document_has_what_differs_and_both_curves(done):
    found = json.loads(done("compare", "0", "2", "--json").out)
    assert [trial["number"] for trial in found["trials"]] == [0, 2]
    assert found["differ"].keys() == {"learning_rate"}
    assert [list(curve) for curve in found["curves"]] == [["1", "2"], ["1"]]


def test_a_trial_that_does_not_exist_is_refused(done):
    assert done("compare", "0", "9").err == ("error: no trial 9 in small; it has trials 0 to 2\n")


def test_a_trial_lists_its_hyperparameters(done):
    trials = json.loads(done("trials", "--json").out)
    assert [trial["config"]["architecture"] for trial in trials] == [
        "two_tower",
        "hybrid",
        "two_tower",
    ]
    rows = list(csv.DictReader(done("trials", "--csv", "-").out.splitlines()))
    assert [float(row["params_learning_rate"]) for row in rows] == [1e-2, 3e-3, 1e6]
    assert [row["params_n_factors"] for row in rows] == ["", "3", ""]
    assert [row["epochs"] for row in rows] == ["2", "2", "1"]
    assert "config" not in rows[0]


def test_a_study_that_is_done_is_not_watched_for_long(done):
    outcome = done("status", "--watch")
    assert outcome.code == 0
    assert outcome.err.startswith("study small on ")
    assert outcome.err.endswith("ratings: 3 of 3 trials are done\n")
    assert outcome.out.startswith("study             small\n")


def test_watching_gives_no_document(done):
    outcome = done("status", "--watch", "--json")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: --watch is for people and --json for programs")


def test_the_whole_reasons_are_listed_when_asked_for(done):
    assert "ran all 2 epochs; the best was epoch 2" in done("trials", "--reasons").out
