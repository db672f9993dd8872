"""What `start` prints at the end, for any number of trials and any metric."""

from __future__ import annotations

import pytest
from recsys_search.commands.terminal.confirmation import print_best, print_confirmation
from recsys_search.commands.terminal.outcome import print_outcome
from recsys_search.model.evaluation.metrics import METRICS, Metric

STORAGE = "sqlite:///studies.db"


def record(number, value, metric="val_rmse", state="complete"):
    return {
        "number": number,
        "state": state,
        "architecture": "mf",
        "val_rmse": value if metric == "val_rmse" else 0.9,
        "val_mse": 0.81,
        "epochs": 3,
        "train_s": 1.0,
        "stop_reason": None,
        "reason": f"reason of {number}",
        "metric": metric,
        "value": value,
    }


def status(best, metric="val_rmse"):
    return {
        "study": "small",
        "metric": metric,
        "total": 100,
        "done": 100,
        "complete": 100,
        "best": {"number": best["number"], "val_rmse": 0.9, "val_mse": 0.81, metric: best["value"]},
        "bias_val_rmse": 0.95,
        "confirmed": None,
        "edges": [],
        "outlook": None,
        "target": None,
        "cost_usd": None,
        "budget_spent": None,
    }


def numbers_listed(text):
    rows = [line.split() for line in text.splitlines()]
    return [row[0] for row in rows if row[1:2] in (["complete"], ["pruned"])]


@pytest.fixture
def val_close(monkeypatch):
    metric = Metric(
        name="val_close",
        label="share within half a star",
        direction="maximize",
        compute=lambda predictions: 0.0,
        digits=3,
    )
    monkeypatch.setitem(METRICS, "val_close", metric)


def test_few_trials_are_all_listed(capsys):
    trials = [record(number, 0.8 + number / 100) for number in range(20)]
    print_outcome(status(trials[0]), trials, STORAGE)
    assert numbers_listed(capsys.readouterr().out) == ["0*", *map(str, range(1, 20))]


def test_of_many_trials_the_best_ten_and_the_latest_ten_are_listed(capsys):
    trials = [record(number, 0.9 - number / 1000) for number in range(30)]
    trials += [record(number, 0.1, state="pruned") for number in range(30, 42)]
    print_outcome(status(trials[29]), trials, STORAGE)
    out = capsys.readouterr().out
    best = [f"{number}{'*' * (number == 29)}" for number in range(29, 19, -1)]
    assert numbers_listed(out) == [*best, *map(str, range(32, 42))]
    assert "best 10 of 42 trials" in out
    assert "latest 10 of 42 trials" in out
    assert "recsys-search trials --study small" in out


def test_a_maximised_metric_has_its_own_column_and_is_ranked_from_the_top(capsys, val_close):
    trials = [record(number, number / 100, metric="val_close") for number in range(30)]
    print_outcome(status(trials[29], metric="val_close"), trials, STORAGE)
    out = capsys.readouterr().out
    assert numbers_listed(out)[:3] == ["29*", "28", "27"]
    assert "architecture  val_close  val_rmse" in out
    assert "  0.290    0.9000" in out
    assert "best: trial 29, share within half a star 0.290, validation RMSE 0.9000" in out


def test_a_confirmation_of_a_maximised_metric_shows_and_explains_its_values(capsys, val_close):
    row = {
        "number": 3,
        "architecture": "mf",
        "val_rmse": 0.9,
        "metric": "val_close",
        "value": 0.42,
        "mean": 0.40,
        "low": 0.39,
        "high": 0.41,
        "seeds": 5,
        "splits": 5,
        "against": None,
        "behind": None,
        "tie": False,
        "diverged_with_seed": None,
    }
    print_confirmation([row])
    out = capsys.readouterr().out
    assert "val_close" in out
    assert "picked its 0.420 for being high" in out
    assert "the mean is 0.0200 below it" in out


def test_equal_values_are_ranked_by_number_and_failed_trials_are_left_out(capsys):
    trials = [record(number, 0.8) for number in range(25)]
    trials[1] = record(1, None, state="failed")
    print_outcome(status(trials[0]), trials, STORAGE)
    ranked = ["0*", "2", *map(str, range(3, 11))]
    assert numbers_listed(capsys.readouterr().out) == [*ranked, *map(str, range(15, 25))]


def test_with_one_completed_trial_the_first_table_has_it_alone(capsys):
    trials = [record(number, 0.8, state="pruned") for number in range(25)]
    trials[7] = record(7, 0.8)
    print_outcome(status(trials[7]), trials, STORAGE)
    out = capsys.readouterr().out
    assert numbers_listed(out) == ["7*", *map(str, range(15, 25))]
    assert "best 1 of 25 trials\n" in out


def test_only_commands_that_take_artifacts_name_them(capsys, monkeypatch):
    monkeypatch.setenv("RECSYS_SEARCH_ARTIFACTS", "/shared/x")
    trials = [record(0, 0.8)]
    print_outcome({**status(trials[0]), "done": 1}, trials, STORAGE)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "/shared/x" in line]
    assert [line[1] for line in lines] == ["start", "dashboard"]


def test_no_password_is_in_any_example_command(capsys):
    trials = [record(number, 0.8) for number in range(25)]
    url = "postgresql+psycopg://me:sesame@host/db"
    print_outcome({**status(trials[0]), "done": 25}, trials, url)
    out = capsys.readouterr().out
    assert "sesame" not in out
    assert "***" not in out
    lines = [line.split(": ")[-1].strip() for line in out.splitlines() if "recsys-search" in line]
    option = '--storage "$RECSYS_SEARCH_STORAGE"'
    assert lines == [
        f"recsys-search trials --study small {option}",
        f"recsys-search start --study small {option}",
        f"recsys-search confirm --top 3 --seeds 5 --study small {option}",
        f"recsys-search best --export config.yaml --study small {option}",
        "recsys-search train --config config.yaml --out runs/best",
        f"recsys-search dashboard {option}",
    ]


def test_axes_at_whose_end_the_best_trials_are_are_named(capsys):
    trial = record(0, 0.9)
    edges = [{"axis": "batch_size", "end": "low", "values": "one of 4096, 8192"}]
    print_outcome(status(trial) | {"edges": edges}, [trial], STORAGE)
    assert (
        "the best trials are all at the low end of batch_size (one of 4096, 8192): a wider axis "
        "may have better ones"
    ) in " ".join(capsys.readouterr().out.split())


def test_a_weighted_sum_is_shown_with_its_parts(capsys):
    formula = "val_rmse - 0.5 * val_ndcg"
    trial = record(0, 0.5, formula) | {"parts": {"val_rmse": 0.9, "val_ndcg": 0.8}}
    summary = status(trial, formula)
    summary["best"] |= {"val_ndcg": 0.8}
    print_outcome(summary, [trial], STORAGE)
    out = capsys.readouterr().out
    assert "objective  val_ndcg  val_rmse  val_mse" in out
    assert "    0.5000    0.8000    0.9000 " in out
    figures = (
        f"objective ({formula}) 0.5000, validation NDCG@10 (held-out rated) 0.8000, validation "
        "RMSE 0.9000"
    )
    assert f"best: trial 0, {figures}" in " ".join(out.split())
    print_best([trial | {"config": {}}], 0, 0.95, "")
    assert figures in " ".join(capsys.readouterr().out.split())


def test_a_study_that_ended_by_itself_says_what_may_help_instead(capsys):
    trial = record(0, 0.9) | {"architecture": "two_tower"}
    outlook = {
        "trials": 78,
        "star": 1.0,
        **{"mean": 0.0006, "sd": 0.0004, "wanted": 0.002, "chance": 0.012},
        **{"epochs": 900, "seconds": 1800.0, "usd": None, "finished": True},
    }
    edges = [{"axis": "batch_size", "end": "low", "values": "4096"}]
    ended = status(trial) | {"done": 22, "outlook": outlook, "edges": edges}
    print_outcome(ended, [trial], STORAGE)
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "the remaining 78 trials (900 epochs, 30 min) are expected to improve validation RMSE by "
        "0.0006 ± 0.0004; the chance of more than 0.0020 is 1.2%"
    ) in text
    assert (
        "the study ended by itself after 22 of 100 trials; what may help instead of more trials: "
        "confirming the best trials (seeds differ), an ensemble of the best trials, a wider "
        "batch_size, another architecture (hybrid or mf)"
    ) in text
    assert "recsys-search start" not in text


def test_a_study_with_trials_left_says_what_they_would_bring_and_goes_on(capsys):
    trial = record(0, 0.9)
    outlook = {
        "trials": 78,
        "star": 1.0,
        **{"mean": 0.006, "sd": 0.004, "wanted": 0.002, "chance": 0.8},
        **{"epochs": 900, "seconds": 1800.0, "usd": 1.25, "finished": False},
    }
    print_outcome(status(trial) | {"done": 22, "outlook": outlook}, [trial], STORAGE)
    text = " ".join(capsys.readouterr().out.split())
    assert "(900 epochs, 30 min, 1.25 USD) are expected to improve" in text
    assert "by 0.0060 ± 0.0040" in text
    assert "instead" not in text
    assert "recsys-search start --study small" in text
