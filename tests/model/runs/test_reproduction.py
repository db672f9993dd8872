"""Whether a training reached the figure that its config records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pytest import approx
from recsys_search.data.sets.registry import DATASETS
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.model.runs.experiment import Experiment, read_experiment
from recsys_search.model.runs.reproduction import describe_reproduction
from recsys_search.model.runs.train_run import train_run
from recsys_search.model.training.reports import read_reports


@pytest.fixture(autouse=True)
def small_demo(monkeypatch, demo):
    monkeypatch.setitem(DATASETS, "demo", lambda: demo)


@pytest.fixture
def recorded(tmp_path, small_config):
    """An experiment with the figures of its training."""
    config = small_config("mf", max_epochs=4)
    experiment = Experiment(config=config, dataset="demo", split=SplitSpec())
    train_run(experiment, tmp_path / "first", device="cpu")
    return read_experiment(tmp_path / "first" / "config.yaml")


@pytest.fixture
def retrain(tmp_path):
    """The result of training an experiment, and the last notice."""

    def retrain(experiment):
        notices = []
        result = train_run(experiment, tmp_path / "again", device="cpu", notify=notices.append)
        return result["reproduced"], notices[-1] if notices else None

    return retrain


def with_figure(experiment, value, **metrics):
    return replace(experiment, metrics={**experiment.metrics, "val_rmse": value, **metrics})


def test_the_same_figure_is_reproduced(recorded, retrain):
    value = recorded.metrics["val_rmse"]
    reproduced, notice = retrain(recorded)
    assert reproduced == {
        "expected": value,
        "got": value,
        "difference": 0,
        "epochs": 4,
        "more_epochs": 0,
        "differs": {},
    }
    assert notice == (
        f"reproduced: validation RMSE {value:.4f} in 4 epochs, exactly as the config records"
    )


def test_a_trial_that_was_stopped_is_compared_over_its_own_epochs(recorded, retrain, tmp_path):
    reports = read_reports(tmp_path / "first" / "reports.jsonl")
    assert reports[1].val_rmse < reports[0].val_rmse, "the second epoch is better"
    reproduced, notice = retrain(with_figure(recorded, reports[0].val_rmse, epochs=1))
    assert reproduced["got"] == reproduced["expected"] == reports[0].val_rmse
    assert "in 1 epoch (this run went on for 3 more), exactly" in notice


def test_another_figure_under_another_environment_names_what_differs(recorded, retrain):
    value = recorded.metrics["val_rmse"]
    environment = {**recorded.environment, "torch": "2.1.0", "threads": 64}
    stored = replace(with_figure(recorded, value + 0.01), environment=environment)
    reproduced, notice = retrain(stored)
    assert reproduced["difference"] == approx(-0.01)
    now = recorded.environment
    assert reproduced["differs"] == {
        "torch": {"was": "2.1.0", "is": now["torch"]},
        "threads": {"was": 64, "is": now["threads"]},
    }
    assert notice == (
        f"not reproduced: validation RMSE {value:.4f} in 4 epochs, 0.0100 below the "
        f"{value + 0.01:.4f} that the config records; what differs: torch {now['torch']}, was "
        f"2.1.0; threads {now['threads']}, was 64"
    )


def test_another_figure_under_the_same_environment_says_so(recorded, retrain):
    _, notice = retrain(with_figure(recorded, recorded.metrics["val_rmse"] - 0.01))
    assert "0.0100 above the " in notice
    assert "; versions, commit, machine, device, precision and threads are the same, so " in notice


def test_a_difference_too_small_for_the_digits_shown_is_still_one():
    reproduced = {
        "expected": 0.9,
        "got": 0.9 + 3e-9,
        "difference": 3e-9,
        "epochs": 2,
        "more_epochs": 0,
        "differs": {},
    }
    text = describe_reproduction("val_rmse", reproduced)
    assert "validation RMSE 0.9000 in 2 epochs, 3e-09 above the 0.9000 " in text


@pytest.mark.parametrize(
    "change",
    [
        {"environment": {}},
        {"metrics": {}},
        {"metrics": {"val_rmse": None, "epochs": 1}},
        {"metrics": {"val_rmse": "low", "epochs": 1}},
        {"metrics": {"val_rmse": 0.9, "epochs": None}},
    ],
)
def test_without_a_recorded_figure_nothing_is_compared(recorded, retrain, change):
    assert retrain(replace(recorded, **change)) == (None, None)


def test_the_result_of_a_trial_that_reused_another_is_compared_over_the_best_epochs(
    recorded, retrain
):
    reused = {**recorded.metrics, "epochs": 0}
    reproduced, _ = retrain(replace(recorded, metrics=reused))
    assert (reproduced["difference"], reproduced["epochs"]) == (0, reused["best_epoch"])


def test_a_changed_config_is_not_compared_but_reported(recorded, retrain, small_config):
    trial = replace(recorded, origin={"study": "s", "trial": 3})
    config = small_config("mf", max_epochs=4, seed=9)
    reproduced, notice = retrain(trial.edited(config=config, split=trial.split))
    assert reproduced is None
    assert notice == "the config differs from that of trial 3 of s: seed 9, was 42"


def test_a_run_of_a_changed_config_records_the_change(recorded, retrain, tmp_path, small_config):
    trial = replace(recorded, origin={"study": "s", "trial": 3})
    retrain(trial.edited(config=small_config("mf", max_epochs=2), split=trial.split))
    kept = read_experiment(tmp_path / "again" / "config.yaml")
    assert kept.origin == {"study": "s", "trial": 3, "changed_from": {"max_epochs": 4}}
    assert kept.metrics["epochs"] == 2
