"""`train --refit` on the command line, and what is said about its run."""

from __future__ import annotations

import json

import pytest

from .conftest import call


@pytest.fixture(scope="session")
def refitted(job):
    """The folder of a finished job, and the outcome of a refit of its best trial."""
    folder, _ = job
    command = ["train", "--config", "config.yaml", "--refit", "--out", "runs/refit"]
    return folder, call(folder, *command, "--device", "cpu")


def test_a_refit_of_the_exported_config_shows_no_validation_figure(done, refitted):
    best_epoch = json.loads(done("best", "--json").out)["best_epoch"]
    outcome = refitted[1]
    assert outcome.code == 0, outcome.err
    assert outcome.err.splitlines()[0] == (
        f"refit: {best_epoch} of 2 epochs on the train and validation ratings together, so there "
        "are no validation figures"
    )
    assert f"epoch   1/{best_epoch}  train_rmse" in outcome.err
    assert "val_rmse" not in outcome.err + outcome.out
    assert f"refit_epochs   {best_epoch}" in outcome.out.splitlines()
    assert outcome.out.splitlines()[-1] == "  recsys-search evaluate runs/refit --split test"


def test_only_its_test_split_can_be_evaluated(done, refitted):
    refused = done("evaluate", "runs/refit")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("error: a refit has no validation figures, because it was")
    outcome = done("evaluate", "runs/refit", "--split", "test")
    assert "a refit, trained on the train and validation ratings together" in outcome.out
    assert json.loads(done("evaluate", "runs/a", "--json").out)["refit_epochs"] is None


def test_its_predictions_are_said_to_be_those_of_a_refit(done, refitted):
    (refitted[0] / "pairs.csv").write_text("userId,movieId\n1,1\n")
    outcome = done("predict", "runs/refit", "pairs.csv", "--out", "predicted.csv")
    assert outcome.err.startswith("wrote 1 predictions by a refit to predicted.csv, ")
    result = json.loads(
        done("predict", "runs/refit", "pairs.csv", "--out", "predicted.csv", "--json").out
    )
    assert result["refit_epochs"] >= 1


def test_a_refit_without_a_known_best_epoch_is_wrong_usage(cli):
    outcome = cli("train", "--architecture", "mf", "--dataset", "demo:2k", "--refit")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: --refit needs the number of the best epoch")
