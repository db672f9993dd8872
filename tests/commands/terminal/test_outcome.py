"""What `start` prints when a study ends."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from recsys_search.commands.terminal.outcome import print_outcome
from recsys_search.model.evaluation.metrics import METRICS

STORAGE = "sqlite:///studies.db"


def trial(number, value=None, state="complete", metric="val_rmse"):
    return {
        "number": number,
        "state": state,
        "architecture": "mf",
        "metric": metric,
        "value": value,
        "val_rmse": value if metric == "val_rmse" else 0.9,
        "val_mse": None,
        "epochs": 5,
        "train_s": 1.0,
        "stop_reason": None,
        "reason": f"why {number}",
    }


@pytest.fixture
def printed(capsys):
    """Prints the outcome of a finished study with these trials, and returns the text."""

    def printed(trials, *, best, storage=STORAGE, **changes):
        status = {
            "study": "small",
            "metric": trials[0]["metric"],
            "best": {"number": best, "val_rmse": 0.8, trials[0]["metric"]: 0.8},
            "bias_val_rmse": 0.9,
            "confirmed": None,
            "target": None,
            "cost_usd": None,
            "budget_spent": None,
            "done": len(trials),
            "total": len(trials),
            **changes,
        }
        print_outcome(status, trials, storage)
        return capsys.readouterr().out

    return printed


def tables(text):
    """The trial numbers of each table, top to bottom; a star marks the best trial."""
    parts = re.split(r"^trial +state.*\n", text, flags=re.MULTILINE)[1:]
    return [re.findall(r"^(\d+\*?) ", part, flags=re.MULTILINE) for part in parts]


def test_up_to_twenty_trials_are_all_printed(printed):
    text = printed([trial(n, 1 - n / 100) for n in range(20)], best=19)
    assert tables(text) == [[*map(str, range(19)), "19*"]]
    assert "all trials:" not in text


def test_of_more_trials_the_best_ten_and_the_latest_ten_are_printed(printed):
    """Trial 3 is the best, then 0, 1, 2, 4, ...: equal values are ranked by number."""
    trials = [trial(n, 0.7 if n == 3 else 0.8) for n in range(25)]
    trials[1] = trial(1, state="failed")
    text = printed(trials, best=3)
    assert tables(text) == [
        ["3*", "0", "2", *map(str, range(4, 11))],
        [str(n) for n in range(15, 25)],
    ]
    assert "best 10 of 25 trials\n" in text
    assert "latest 10 of 25 trials\n" in text
    assert "\nall trials: recsys-search trials --study small\n" in text
    assert text.index("best 10 of") < text.index("latest 10 of") < text.index("all trials:")


def test_the_best_trials_are_ranked_by_the_studys_metric(printed, monkeypatch):
    ndcg = replace(METRICS["val_rmse"], name="val_ndcg", label="NDCG", direction="maximize")
    monkeypatch.setitem(METRICS, "val_ndcg", ndcg)
    trials = [trial(n, n / 100, metric="val_ndcg") for n in range(21)]
    assert tables(printed(trials, best=20))[0] == ["20*", *map(str, range(19, 10, -1))]


def test_with_few_completed_trials_the_first_table_has_those_alone(printed):
    trials = [trial(n, state="pruned") for n in range(25)]
    trials[7] = trial(7, 0.8)
    text = printed(trials, best=7)
    assert tables(text) == [["7*"], [str(n) for n in range(15, 25)]]
    assert "best 1 of 25 trials\n" in text


def test_no_password_is_in_any_example_command(printed):
    text = printed(
        [trial(n, 0.8) for n in range(25)],
        best=0,
        storage="postgresql+psycopg://me:sesame@host/db",
        done=24,
    )
    assert "sesame" not in text
    assert "***" not in text
    lines = [line.split(": ")[-1].strip() for line in text.splitlines() if "recsys-search " in line]
    assert lines[:2] == [
        'recsys-search trials --study small --storage "$RECSYS_SEARCH_STORAGE"',
        'recsys-search start --study small --storage "$RECSYS_SEARCH_STORAGE"',
    ]
    assert lines[-1] == 'recsys-search dashboard --storage "$RECSYS_SEARCH_STORAGE"'
