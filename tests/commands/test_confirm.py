"""Confirming a study's winner on the command line."""

from __future__ import annotations

import json
import re

import pytest
from recsys_search.commands.terminal.confirmation import format_best, print_confirmation
from recsys_search.search.results.confirmation import confirm

INTERVAL = r"\[[0-9.]+, [0-9.]+\]"


@pytest.fixture
def searched(cli):
    """Calls a command where a study has two completed trials."""
    outcome = cli("start", "--study", "small.yaml", "--device", "cpu", "--quiet")
    assert outcome.code == 0, outcome.err
    return cli


def test_the_winner_is_shown_as_confirmed_after_confirm(searched):
    assert searched("best").out.splitlines()[-1] == (
        "not confirmed: recsys-search confirm --study small"
    )
    outcome = searched("confirm", "--top", "2", "--seeds", "2", "--device", "cpu")
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0].split()[:2] == ["trial", "architecture"]
    assert sorted(line.split()[0] for line in lines[1:3]) == ["0", "1"]
    leads = next(line for line in lines if " leads, confirmed over 2 seeds and splits: " in line)
    assert re.search(INTERVAL, leads)
    assert any(" for being low, so this value is optimistic" in line for line in lines)
    assert lines[-1] == "  recsys-search best --export config.yaml"
    last = searched("best").out.splitlines()[-1]
    assert re.match(rf"confirmed over 2 seeds and splits: [0-9.]+ {INTERVAL}; ", last)
    assert re.search(r"tower \(trial [01]\) by |this is the known config tower: ", last)
    again = searched("start", "--study", "small.yaml", "--device", "cpu", "--quiet")
    assert leads in again.out.splitlines()


def test_progress_is_on_stderr_and_the_ranking_is_json(searched):
    outcome = searched("confirm", "--top", "1", "--seeds", "2", "--device", "cpu", "--json")
    assert outcome.code == 0, outcome.err
    (row,) = json.loads(outcome.out)
    assert row.keys() >= {"number", "mean", "low", "high", "seeds", "behind", "tie", "val_rmse"}
    assert re.search(r"^trial [01] with seed 1001: validation RMSE [0-9.]+$", outcome.err, re.M)
    best = json.loads(searched("best", "--json").out)
    assert best["confirmed"].keys() >= {"mean", "low", "high", "seeds"}
    quiet = searched("confirm", "--top", "1", "--seeds", "2", "--device", "cpu", "--quiet")
    assert (quiet.code, quiet.err) == (0, "")


def test_ctrl_c_is_130_and_prints_how_to_continue(searched, press_ctrl_c):
    press_ctrl_c(confirm, "confirm")
    outcome = searched("confirm", "--study", "small", "--quiet")
    assert outcome.code == 130
    assert outcome.err.splitlines() == [
        "interrupted; continue with: recsys-search confirm --top 3 --seeds 5 --study small"
    ]


def test_a_storage_without_studies_is_reported(cli):
    outcome = cli("confirm")
    assert outcome.code == 3
    assert outcome.err.startswith("error: no studies in sqlite:///studies.db; run one with: ")


CONFIRMED = {"mean": 0.81, "low": 0.8, "high": 0.82, "seeds": 5, "splits": 5, "against": None}


def test_a_better_unconfirmed_trial_is_named():
    best = {"number": 3, "val_rmse": 0.805, "confirmed": CONFIRMED, "diverged_with_seed": None}
    below = {"number": 9, "val_rmse": 0.801}
    assert format_best(best, below, "--study", "small").plain == (
        "confirmed over 5 seeds and splits: 0.8100 [0.8000, 0.8200]\n"
        "trial 9 reached 0.8010 in the search, below this one's 0.8050, and is not confirmed: "
        "recsys-search confirm --study small"
    )


@pytest.mark.parametrize(
    ("mean", "low", "high", "text"),
    [
        (0.0123, 0.01, 0.015, "better than plain (trial 0) by 0.0123 [0.0100, 0.0150]"),
        (0.0011, -0.0005, 0.0027, "better than plain (trial 0) by 0.0011 [-0.0005, 0.0027], a tie"),
        (-0.004, -0.005, -0.003, "worse than plain (trial 0) by 0.0040 [0.0030, 0.0050]"),
        (-0.0011, -0.0027, 0.0005, "worse than plain (trial 0) by 0.0011 [-0.0005, 0.0027], a tie"),
        (None, None, None, "this is the known config plain: the search found none that is better"),
    ],
)
def test_the_distance_from_the_known_config_is_shown(mean, low, high, text):
    against = {"trial": 0, "name": "plain", "mean": mean, "low": low, "high": high}
    best = {"confirmed": {**CONFIRMED, "against": against}, "val_rmse": 0.8}
    shown = f"confirmed over 5 seeds and splits: 0.8100 [0.8000, 0.8200]; {text}"
    assert format_best(best, None).plain == shown


def test_seeds_on_one_cut_are_reported_as_such():
    best = {"confirmed": {**CONFIRMED, "splits": 1}, "val_rmse": 0.8}
    assert format_best(best, None).plain.startswith(
        "confirmed over 5 seeds, all on the search's own"
    )


def test_a_best_trial_that_diverged_is_reported():
    best = {"confirmed": None, "diverged_with_seed": 1001}
    assert format_best(best, None).plain == (
        "not confirmed: it diverged with seed 1001; confirm others: recsys-search confirm"
    )


@pytest.mark.parametrize(
    ("val_rmse", "message"),
    [
        (0.805, "optimistic: the mean is 0.0050 above it"),
        (
            0.813,
            "optimistic; yet here the mean is 0.0030 below it: splits and seeds differ by more",
        ),
    ],
)
def test_the_searchs_own_value_is_called_optimistic(capsys, val_rmse, message):
    row = {"number": 3, "architecture": "mf", "val_rmse": val_rmse, **CONFIRMED}
    rest = {"behind": None, "tie": False, "diverged_with_seed": None}
    behind = {"mean": 0.001, "low": -0.002, "high": 0.004}
    print_confirmation([{**row, **rest}, {**row, **rest, "behind": behind, "tie": True}])
    out = capsys.readouterr().out
    assert message in out
    assert "0.0010 [-0.0020, 0.0040]  tie" in out
