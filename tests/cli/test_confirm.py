"""Confirming a study's winner on the command line."""

from __future__ import annotations

import json
import re

import pytest
from recsys_search.search import confirm

INTERVAL = r"\[[0-9.]+, [0-9.]+\]"


@pytest.fixture
def searched(cli):
    """Calls a command where a study has two completed trials."""
    outcome = cli("start", "--study", "small.yaml", "--device", "cpu", "--quiet")
    assert outcome.code == 0, outcome.err
    return cli


def test_the_winner_is_told_as_confirmed_once_it_is(searched):
    assert searched("best").out.splitlines()[-1] == (
        "not confirmed: recsys-search confirm --study small"
    )
    outcome = searched("confirm", "--top", "2", "--seeds", "2", "--device", "cpu")
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0].split()[:2] == ["trial", "architecture"]
    assert sorted(line.split()[0] for line in lines[1:3]) == ["0", "1"]
    leads = next(line for line in lines if " leads, confirmed over 2 seeds and cuts: " in line)
    assert re.search(INTERVAL, leads)
    assert any("was picked for being low" in line for line in lines)
    assert lines[-1] == "  recsys-search best --export config.yaml"
    told = searched("best").out.splitlines()[-1]
    assert re.fullmatch(rf"confirmed over 2 seeds and cuts: [0-9.]+ {INTERVAL}", told)
    again = searched("start", "--study", "small.yaml", "--device", "cpu", "--quiet")
    assert leads in again.out.splitlines()


def test_progress_is_told_on_stderr_and_the_ranking_as_json(searched):
    outcome = searched("confirm", "--top", "1", "--seeds", "2", "--device", "cpu", "--json")
    assert outcome.code == 0, outcome.err
    (row,) = json.loads(outcome.out)
    assert row.keys() >= {"number", "mean", "low", "high", "seeds", "behind", "tie", "val_rmse"}
    assert re.search(r"^trial [01] with seed 1001: validation RMSE [0-9.]+$", outcome.err, re.M)
    best = json.loads(searched("best", "--json").out)
    assert best["confirmed"].keys() >= {"mean", "low", "high", "seeds"}
    quiet = searched("confirm", "--top", "1", "--seeds", "2", "--device", "cpu", "--quiet")
    assert (quiet.code, quiet.err) == (0, "")


def test_ctrl_c_is_130_and_says_how_to_go_on(searched, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(confirm, "confirm", interrupted)
    outcome = searched("confirm", "--study", "small", "--quiet")
    assert outcome.code == 130
    assert outcome.err.splitlines() == [
        "go on with: recsys-search confirm --top 3 --seeds 5 --study small",
        "interrupted",
    ]


def test_a_storage_without_studies_is_told(cli):
    outcome = cli("confirm")
    assert outcome.code == 1
    assert outcome.err.startswith("error: no studies at sqlite:///studies.db; begin one with: ")
