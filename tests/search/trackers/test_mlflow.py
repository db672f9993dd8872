"""Runs in MLflow's database, read back with its client."""

from __future__ import annotations

import pytest
from recsys_search.search.trackers.table import read_tracker

from .conftest import start

mlflow = pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    """A database; creating it takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


def runs_of(uri, experiment):
    client = mlflow.MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    return {run.info.run_name: run for run in client.search_runs([found.experiment_id])}


def test_runs_with_their_config_curves_and_ends(uri, record):
    record(read_tracker({"mlflow": {"uri": uri}}))
    runs = runs_of(uri, "small")
    first, second = runs["small/0"], runs["small/1"]
    assert (first.info.status, second.info.status) == ("FINISHED", "FAILED")
    assert first.data.params["learning_rate"] == "0.001"
    tags = {name: value for name, value in first.data.tags.items() if "recsys_search." in name}
    assert tags == {
        "recsys_search.study": "small",
        "recsys_search.trial": "0",
        "recsys_search.architecture": "two_tower",
        "recsys_search.known_config": "defaults",
        "recsys_search.state": "complete",
        "recsys_search.stop_reason": "plateau",
    }
    assert first.data.tags["mlflow.note.content"] == "flat for 5 epochs"
    assert second.data.tags["recsys_search.continues"] == "small/0"
    assert first.data.metrics["best_val_rmse"] == 0.8
    client = mlflow.MlflowClient(tracking_uri=uri)
    curve = client.get_metric_history(first.info.run_id, "val_rmse")
    assert [(point.step, point.value) for point in curve] == [(1, 0.9), (2, 0.8)]


def test_the_run_of_a_killed_process_is_ended_by_the_trial_that_goes_on_from_it(uri):
    tracker = read_tracker({"mlflow": {"uri": uri, "experiment": "it's killed"}})
    tracker.connect("small").start(start(5)).log(1, {"val_rmse": 0.9})
    tracker.connect("small").start(start(6, continues=5))
    runs = runs_of(uri, "it's killed")
    assert [runs[f"small/{n}"].info.status for n in (5, 6)] == ["KILLED", "RUNNING"]
    assert runs["small/5"].data.tags["recsys_search.state"] == "interrupted"
