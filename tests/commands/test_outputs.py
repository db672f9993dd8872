"""What a command writes where its user asks: files, FIFOs and stdout."""

from __future__ import annotations

import csv
import json
import os
import shlex
import threading

import pytest
import yaml
from recsys_search.search.results.reader import StudyReader


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("userId,movieId\n1,1\n999,1\n")
    return path


def test_trials_as_csv_on_stdout_are_alone_there(done):
    outcome = done("trials", "--csv", "-")
    assert (outcome.code, outcome.err) == (0, "")
    rows = list(csv.DictReader(outcome.out.splitlines()))
    records = json.loads(done("trials", "--json").out)
    assert [row["reason"] for row in rows] == [record["reason"] for record in records]


def test_the_parts_of_a_weighted_sum_are_columns_of_the_csv(done, monkeypatch):
    parts = {"val_rmse": 0.9, "val_ndcg": 0.8}
    trials = StudyReader.trials
    monkeypatch.setattr(
        StudyReader,
        "trials",
        lambda self, state=None: [each | {"parts": parts} for each in trials(self, state)],
    )
    rows = list(csv.DictReader(done("trials", "--csv", "-").out.splitlines()))
    assert {(row["val_rmse"], row["val_ndcg"]) for row in rows} == {("0.9", "0.8")}
    assert "parts" not in rows[0]


def test_no_trials_as_csv_on_stdout_are_a_header(done):
    outcome = done("trials", "--state", "failed", "--csv", "-")
    assert outcome.out.startswith("number,state,")
    assert len(outcome.out.splitlines()) == 1


def test_a_config_on_stdout_is_alone_there_and_can_be_trained(done, tmp_path):
    outcome = done("best", "--export", "-")
    assert (outcome.code, outcome.err) == (0, "")
    head, _, document = outcome.out.partition("\n")
    assert head == "# Train it: recsys-search train --config FILE"
    config = json.loads(done("best", "--json").out)["config"]
    assert yaml.safe_load(document)["config"].items() <= config.items()
    (tmp_path / "config.yaml").write_text(outcome.out)
    trained = done("train", "--config", tmp_path / "config.yaml", "--out", tmp_path / "run")
    assert trained.code == 0, trained.err


def test_predictions_on_stdout_are_alone_there(done, pairs):
    outcome = done("predict", "runs/a", pairs, "--out", "-")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[0] == "userId,movieId,rating,known"
    assert len(outcome.out.splitlines()) == 3


@pytest.mark.parametrize(
    "args",
    [
        ("trials", "--csv", "-"),
        ("best", "--export", "/proc/self/fd/1"),
        ("predict", "runs/a", "PAIRS", "--out", "/dev/fd/1"),
    ],
    ids=lambda args: args[0],
)
def test_stdout_is_not_shared_with_json(done, pairs, args):
    args = [pairs if arg == "PAIRS" else arg for arg in args]
    outcome = done(*args, "--json")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"error: {args[-2]} {args[-1]} and --json both write to stdout; leave out one of them, "
        "or name a file\n"
    )


@pytest.mark.parametrize("args", [("trials", "--csv"), ("best", "--export")])
def test_a_fifo_is_written_into_and_not_replaced(done, tmp_path, args):
    path, got = tmp_path / "fifo", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(path.read_text()), daemon=True)
    reader.start()
    outcome = done(*args, path)
    reader.join(10)
    assert outcome.code == 0
    assert path.is_fifo()
    assert got == [done(*args, "-").out]
    assert "--config" not in outcome.err  # nothing can be trained from a FIFO


def test_a_run_cannot_be_written_to_stdout(cli):
    outcome = cli("train", "--architecture", "mf", "--dataset", "ratings", "--out", "-")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "error: --out - is stdout, but a run is a folder; name a new folder\n"


def test_a_file_name_is_quoted_in_the_command_that_trains_it(done, tmp_path):
    outcome = done("best", "--export", tmp_path / "my config.yaml")
    assert outcome.err.endswith(f"train --config '{tmp_path}/my config.yaml'\n")
    head = (tmp_path / "my config.yaml").read_text().splitlines()[0]
    assert head == "# Train it: recsys-search train --config 'my config.yaml'"


def test_the_command_in_an_exported_config_trains_the_trial_again(done, tmp_path):
    config = tmp_path / "config.yaml"
    done("best", "--export", config)
    _, trained, _ = config.read_text().splitlines()[:3]
    words = shlex.split(trained.partition("recsys-search ")[2])
    outcome = done(
        *[str(config) if word == config.name else word for word in words], "--out", tmp_path / "r"
    )
    assert outcome.code == 0, outcome.err
    assert "reproduced" in outcome.err


def test_a_card_on_stdout_is_alone_there(done):
    outcome = done("best", "--card", "-")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("# ")
    assert "trial" not in outcome.out.splitlines()[-1]


def test_a_card_names_the_exported_config(done, tmp_path):
    card, config = tmp_path / "card.md", tmp_path / "my config.yaml"
    outcome = done("best", "--card", card, "--export", config)
    assert outcome.err.splitlines()[-1] == f"wrote {card}"
    assert "recsys-search train --config 'my config.yaml'" in card.read_text()


def test_a_card_and_a_config_cannot_both_be_written_to_stdout(done):
    outcome = done("best", "--card", "-", "--export", "-")
    assert outcome.code == 2
    assert outcome.err == (
        "error: --export and --card both write to stdout; name a file for one of them\n"
    )
