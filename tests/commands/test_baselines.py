"""The baselines as runs, from training to predictions."""

from __future__ import annotations

import csv
import json

import pytest
from pytest import approx
from recsys_search.model.architectures.table import architecture_names


def loads(outcome):
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


@pytest.mark.parametrize(("architecture", "epochs"), [("mf", 3), ("biases", 1)])
def test_a_baseline_is_trained_evaluated_and_predicts(cli, folder, architecture, epochs):
    asked = ["--epochs", "3", "--seed", "42"]
    train = ["train", "--architecture", architecture, "--dataset", "ratings", "--device", "cpu"]
    trained = loads(cli(*train, *asked, "--out", "runs/b", "--json"))
    assert (trained["epochs"], trained["stop_reason"]) == (epochs, None)

    values = loads(cli("evaluate", "runs/b", "--device", "cpu", "--json"))
    assert values["rmse"] == approx(trained["val_rmse"], rel=1e-6)
    assert values["bias_rmse"] == approx(trained["bias_val_rmse"], rel=1e-6)
    assert (values["rmse"] == approx(values["bias_rmse"], rel=1e-6)) == (architecture == "biases")
    assert values["ranking"]["full_catalogue"]["users_sampled"] is None

    (folder / "pairs.csv").write_text("userId,movieId\n1,1\n1,99999\n")
    assert cli("predict", "runs/b", "pairs.csv", "--out", "out.csv", "--device", "cpu").code == 0
    with (folder / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[1]["known"] == "false"
    assert all(0.5 <= float(row["rating"]) <= 5 for row in rows)


def test_a_baselines_training_reads_without_latents(cli):
    outcome = cli("train", "--architecture", "biases", "--dataset", "ratings", "--device", "cpu")
    assert outcome.code == 0
    [line] = outcome.err.splitlines()
    assert line.startswith("epoch   1/1  val_rmse ") and "kl" not in line
    assert "runs/biases-1" in outcome.out


def test_the_help_names_every_architecture(cli):
    words = cli("train", "--help").out.replace(",", " ").replace(".", " ").split()
    assert set(architecture_names()) <= set(words)
