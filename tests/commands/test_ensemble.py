"""`ensemble` on the command line."""

from __future__ import annotations

import json
import re

import pytest
from recsys_search.commands.terminal.ensemble import describe_gain
from recsys_search.search.results import ensemble as module

from .conftest import call


@pytest.fixture(scope="session")
def combined(job):
    """The outcome of an ensemble of two runs in the folder of a finished job."""
    folder, _ = job
    call(folder, "train", "--architecture", "mf", "--dataset", "ratings", "--out", "runs/mf")
    return call(folder, "ensemble", "runs/a", "runs/mf", "--out", "runs/both", "--device", "cpu")


def test_runs_are_combined_and_the_gain_is_shown_with_its_interval(combined):
    assert combined.code == 0, combined.err
    lines = combined.out.splitlines()
    assert lines[0].split() == ["member", "architecture", "val_rmse", "weight"]
    assert [line.split()[:2] for line in lines[1:3]] == [
        ["runs/a", lines[1].split()[1]],
        ["runs/mf", "mf"],
    ]
    assert any(line.startswith("runs/both: greedy weights, RMSE ") for line in lines)
    assert any(line.startswith("cross-fitted: each rating is predicted with") for line in lines)
    gain = next(line for line in lines if "its best member, " in line)
    assert re.search(r"95% interval of the gain \[-?[0-9.]+, -?[0-9.]+\], from the paired", gain)
    assert lines[-2:] == [
        "  recsys-search evaluate runs/both",
        "  recsys-search predict runs/both pairs.csv --out predicted.csv",
    ]


def test_it_is_evaluated_and_predicts_like_any_run(job, done, combined):
    evaluated = json.loads(done("evaluate", "runs/both", "--json").out)
    assert evaluated["cross_fitted_rmse"] >= evaluated["rmse"]
    assert (
        "the ensemble's weights were fitted on these ratings, which flatters it: the cross-fitted "
        f"RMSE is {evaluated['cross_fitted_rmse']:.4f}"
    ) in done("evaluate", "runs/both").out.splitlines()
    (job[0] / "pairs.csv").write_text("userId,movieId\n1,1\n99999,1\n")
    outcome = done("predict", "runs/both", "pairs.csv", "--out", "-")
    assert outcome.out.splitlines()[0] == "userId,movieId,rating,known"
    assert len(outcome.out.splitlines()) == 3


def test_a_studys_trials_are_combined_as_json(done, combined):
    outcome = done(
        *("ensemble", "--top", "2", "--weights", "equal", "--out", "runs/top", "--json"),
        *("--device", "cpu"),
    )
    assert outcome.code == 0, outcome.err
    result = json.loads(outcome.out)
    assert [member["weight"] for member in result["members"]] == [0.5, 0.5]
    assert {member["run"] for member in result["members"]} == {
        "trial 0 of small",
        "trial 1 of small (seed 43)",
    }
    assert result.keys() >= {"run", "val_rmse", "val_mse", "gain", "best_member_val_rmse", "n"}
    assert "epoch   1/2" in outcome.err


@pytest.mark.parametrize(
    "args", [(), ("runs/a", "--study", "small"), ("runs/a", "runs/b", "--top", "2")]
)
def test_either_runs_or_a_study_are_named(cli, args):
    outcome = cli("ensemble", *args)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: name either two or more runs, or a study's trials with")


def test_ctrl_c_is_130_and_says_how_to_go_on(done, press_ctrl_c, job):
    press_ctrl_c(module, "train_run")
    (job[0] / "runs" / ".x.members").mkdir(parents=True)
    outcome = done("ensemble", "--top", "2", "--out", "runs/x")
    assert outcome.code == 130
    assert outcome.err.splitlines()[-1] == (
        "interrupted; to train what is missing: the same command with --out runs/x"
    )


EQUAL = [{"run": run, "weight": 0.5} for run in ("runs/a", "runs/b")]


def test_an_ensemble_of_one_member_is_said_to_be_that_one():
    gain = {"rmse": -1e-5, "low": -1e-5, "high": 0.0}
    members = [{"run": "runs/a", "weight": 1.0}, {"run": "runs/b", "weight": 0.0}]
    result = {"gain": gain, "best_member": "runs/a", "members": members}
    assert describe_gain(result) == "this is runs/a alone: no other member lowers its RMSE"


def test_a_gain_of_less_than_the_digits_shown_is_none():
    gain = {"rmse": -1e-5, "low": -1e-5, "high": 0.0}
    result = {"gain": gain, "best_member": "runs/a", "best_member_val_rmse": 0.8, "n": 60}
    assert describe_gain(result | {"members": EQUAL}).startswith(
        "equal to its best member, runs/a (0.8000); 95% interval of the gain [0.0000, 0.0000], "
    )


def test_an_ensemble_that_is_worse_than_its_best_member_is_said_to_be():
    gain = {"rmse": -0.0012, "low": -0.003, "high": 0.0006}
    result = {"gain": gain, "best_member": "runs/a", "best_member_val_rmse": 0.8, "n": 10084}
    assert describe_gain(result | {"members": EQUAL}) == (
        "0.0012 worse than its best member, runs/a (0.8000); 95% interval of the gain "
        "[-0.0030, 0.0006], from the paired differences of squared errors over 10,084 validation "
        "ratings"
    )
