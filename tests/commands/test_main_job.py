"""From a study to predictions, one command after the other."""

from __future__ import annotations

import csv
import json

import pytest
import torch
from pytest import approx
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.store.train_store import TrainStore


def loads(outcome):
    """The one JSON document on stdout; NaN and infinity are none."""

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out, parse_constant=refuse)


@pytest.fixture
def train_pair(job):
    """The (user, film, stars) of the first rating."""
    with (job[0] / "ratings" / "ratings.csv").open() as file:
        row = next(csv.DictReader(file))
    return int(row["userId"]), int(row["movieId"]), float(row["rating"])


@pytest.fixture
def predict(job, done, tmp_path):
    """Predicts the pairs of a CSV and returns the rows written."""

    def predict(text):
        (tmp_path / "pairs.csv").write_text(text)
        outcome = done("predict", "runs/a", tmp_path / "pairs.csv", "--out", tmp_path / "out.csv")
        assert outcome.code == 0, outcome.err
        with (tmp_path / "out.csv").open() as file:
            return list(csv.DictReader(file))

    return predict


def test_each_command_of_the_job_succeeds(job):
    assert {name: outcome.code for name, outcome in job[1].items()} == {
        "start": 0,
        "best": 0,
        "train": 0,
    }


def test_start_ends_with_the_trials_the_best_and_example_commands(job):
    lines = job[1]["start"].out.splitlines()
    assert [line.split()[0].rstrip("*") for line in lines[1:4]] == ["0", "1", "2"]
    assert "diverged: loss " in lines[3]
    assert any(line.startswith("best: trial ") and "bias baseline's" in line for line in lines)
    assert lines[lines.index("next:") + 1 :] == [
        "  recsys-search confirm --top 2 --seeds 5 --study small",
        "  recsys-search best --export config.yaml --study small",
        "  recsys-search train --config config.yaml --out runs/best",
        "  recsys-search dashboard",
    ]


def test_start_shows_progress_on_stderr(job):
    lines = job[1]["start"].err.splitlines()
    assert lines[0] == f"study small on {job[0]}/ratings: 0 of 3 trials are done"
    assert lines[1] == "trial 0 (tower): two_tower"
    assert lines[2].startswith("trial 0 complete ")


def test_start_with_quiet_prints_nothing_on_stderr(done):
    outcome = done("start", "--study", "small.yaml", "--device", "cpu", "--quiet")
    assert (outcome.code, outcome.err) == (0, "")


def test_start_prints_the_status_as_json(done):
    status = loads(done("start", "--study", "small.yaml", "--device", "cpu", "--json"))
    assert status == loads(done("status", "--json"))


def test_studies(done):
    (row,) = loads(done("studies", "--json"))
    assert (row["study"], row["trials"], row["state"]) == ("small", 3, "done")
    assert "small" in done("studies").out


def test_status(done):
    status = loads(done("status", "--json"))
    assert (status["total"], status["complete"], status["pruned"]) == (3, 2, 1)
    assert status["stops"] == {"diverged": 1}
    assert "diverged 1" in done("status").out


def test_trials(done):
    trials = loads(done("trials", "--json"))
    assert [trial["architecture"] for trial in trials] == ["two_tower", "hybrid", "two_tower"]
    assert all(trial["reason"] for trial in trials)
    assert len(done("trials").out.splitlines()) == 4


def test_trials_of_one_state(done):
    assert [trial["number"] for trial in loads(done("trials", "--state", "pruned", "--json"))] == [
        2
    ]
    assert loads(done("trials", "--state", "failed", "--json")) == []


def test_trials_as_csv(done, tmp_path):
    outcome = done("trials", "--csv", tmp_path / "trials.csv")
    assert outcome == (0, "", f"wrote 3 trials to {tmp_path}/trials.csv\n")
    with (tmp_path / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    records = loads(done("trials", "--json"))
    params = {f"params_{name}" for record in records for name in record["config"]}
    assert rows[0].keys() == (records[0].keys() - {"parts", "config"}) | params
    assert [float(row["val_rmse"]) for row in rows[:2]] == [t["val_rmse"] for t in records[:2]]


def test_no_trials_as_csv_still_have_a_header(done, tmp_path):
    done("trials", "--state", "failed", "--csv", tmp_path / "trials.csv")
    assert (tmp_path / "trials.csv").read_text().startswith("number,state,")


def test_show(done):
    trial = loads(done("show", "--trial", "0", "--json"))
    assert [report["epoch"] for report in trial["reports"]] == [1, 2]
    assert min(r["val_rmse"] for r in trial["reports"]) == trial["val_rmse"]
    assert trial["config"]["learning_rate"] == 0.01
    assert trial["environment"]["device"] == "cpu"
    text = done("show", "--trial", "0").out
    assert "learning_rate" in text and "epochs" in text


def test_a_diverged_trial_is_shown_as_json_without_nan(done):
    trial = loads(done("show", "--trial", "2", "--json"))
    assert trial["reports"][-1]["val_rmse"] is None
    assert trial["stop_reason"] == "diverged"
    assert done("show", "--trial", "2").code == 0


def test_best(done):
    best = loads(done("best", "--json"))
    completed = [
        trial["val_rmse"] for trial in loads(done("trials", "--json")) if trial["number"] < 2
    ]
    assert best["val_rmse"] == min(completed)
    assert best["confirmed"] is None
    assert [trial["val_rmse"] for trial in loads(done("best", "--top", "2", "--json"))] == sorted(
        completed
    )
    assert "the bias baseline's" in done("best").out


def test_any_trial_is_shown_and_exported(done, tmp_path):
    leader = loads(done("best", "--json"))["number"]
    other = 1 - leader
    outcome = done("best", "--trial", other, "--export", tmp_path / "other.yaml")
    note = f"trial {other} is not the best (trial {leader} is)"
    assert outcome.err == (
        f"wrote {tmp_path}/other.yaml; {note}; train it with: recsys-search train --config "
        f"{tmp_path}/other.yaml\n"
    )
    lines = outcome.out.splitlines()
    assert lines[1].startswith(f"{other} ")
    assert f"config of trial {other}" in lines
    assert lines[-1] == note
    assert f"  trial: {other}\nmetrics:" in (tmp_path / "other.yaml").read_text()
    record = loads(done("best", "--trial", other, "--json"))
    assert record == loads(done("best", "--top", "2", "--json"))[1]


def test_the_best_trial_is_shown_by_its_number_as_without(done):
    leader = loads(done("best", "--json"))["number"]
    assert done("best", "--trial", leader) == done("best")


def test_a_pruned_trial_is_exported_with_how_it_ended(done, tmp_path):
    leader = loads(done("best", "--json"))["number"]
    outcome = done("best", "--trial", "2", "--export", "-")
    assert outcome.err == f"trial 2 is not the best (trial {leader} is): pruned, diverged\n"
    assert "  trial: 2\n  state: pruned\n  stop_reason: diverged\nmetrics:" in outcome.out
    assert loads(done("best", "--trial", "2", "--json"))["val_rmse"] is None


def test_the_export_prints_the_next_command(job):
    assert job[1]["best"].err == (
        "wrote config.yaml; train it with: recsys-search train --config config.yaml\n"
    )


def test_training_the_export_reaches_what_its_trial_reached(job, done):
    best = loads(done("best", "--json"))
    outcome = done(
        "train", "--config", "config.yaml", "--out", "runs/b", "--device", "cpu", "--json"
    )
    result = loads(outcome)
    assert result.keys() >= {
        "run",
        "val_rmse",
        "val_mse",
        "epochs",
        "best_epoch",
        "train_s",
        "ratings_per_s",
    }
    assert result["run"] == "runs/b"
    for name in ("val_rmse", "val_mse", "epochs", "best_epoch"):
        assert result[name] == best[name]
    assert result["reproduced"]["difference"] == 0
    *epochs, last = outcome.err.splitlines()
    assert len(epochs) == result["epochs"]
    assert last == (
        f"reproduced: validation RMSE {best['val_rmse']:.4f} in 2 epochs, exactly as the config "
        "records"
    )


def test_training_an_edited_export_says_what_differs_from_its_trial(cli, job, folder):
    text = (job[0] / "config.yaml").read_text()
    line = next(line for line in text.splitlines() if "learning_rate: " in line)
    (folder / "config.yaml").write_text(text.replace(line, "  learning_rate: 0.02", 1))
    options = ["--config", "config.yaml", "--seed", "9", "--epochs", "1", "--device", "cpu"]
    data = ["--dataset", job[0] / "ratings"]
    outcome = cli("train", *options, *data, "--out", "runs/c", "--json")
    assert loads(outcome)["reproduced"] is None
    was = line.split()[1]
    notices = [line for line in outcome.err.splitlines() if not line.startswith("epoch")]
    number = loads(cli("best", "--storage", f"sqlite:///{job[0]}/studies.db", "--json"))["number"]
    assert notices == [
        f"the config differs from that of trial {number} of small: learning_rate 0.02, was {was}; "
        "seed 9, was 42; max_epochs 1, was 2"
    ]
    kept = (folder / "runs" / "c" / "config.yaml").read_text()
    assert f"  changed_from:\n    learning_rate: {was}\n    seed: 42\n" in kept


def test_train_suggests_validation_first_and_the_test_split_for_the_end(job):
    assert job[1]["train"].out.splitlines()[-5:] == [
        "next:",
        "  recsys-search evaluate runs/a",
        "",
        "once, after all choices are made (each opening of the test split is counted):",
        "  recsys-search evaluate runs/a --split test",
    ]


def test_without_test_ratings_the_test_split_is_not_suggested(cli):
    args = ["--architecture", "biases", "--dataset", "ratings", "--split", "90/10/0"]
    lines = cli("train", *args, "--device", "cpu").out.splitlines()
    assert lines[-2:] == ["next:", "  recsys-search evaluate runs/biases-1"]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluate(done, split):
    values = loads(done("evaluate", "runs/a", "--split", split, "--json"))
    names = {"split", "n", "rmse", "mse", "mae", "bias_rmse", "ranking", "dataset", "fingerprint"}
    assert values["neighbours"] == "both"
    assert values.keys() >= names
    assert (values["split"], values["n"]) == (split, 200)
    assert values["mse"] == approx(values["rmse"] ** 2)
    assert values["noise_rmse"] is values["above_floor"] is values["leak"] is None
    assert f"{values['rmse']:.4f}" in done("evaluate", "runs/a", "--split", split).out


def test_evaluate_gives_the_validation_figure_of_the_training(done):
    values = loads(done("evaluate", "runs/a", "--json"))
    assert values["split"] == "validation"
    assert values["rmse"] == approx(loads(done("best", "--json"))["val_rmse"], abs=1e-6)


def test_predictions_keep_the_order_of_the_pairs(predict, train_pair):
    user, film, _ = train_pair
    asked = [(user, film), (60, film), (user, film), (1, film)]
    rows = predict("userId,movieId\n" + "".join(f"{u},{f}\n" for u, f in asked))
    assert [(int(row["userId"]), int(row["movieId"])) for row in rows] == asked
    assert list(rows[0]) == ["userId", "movieId", "rating", "known"]
    assert rows[0] == rows[2]
    assert all(0.5 <= float(row["rating"]) <= 5 for row in rows)


def test_an_unknown_user_or_film_gets_the_bias_prediction(predict, train_pair, job):
    user, film, _ = train_pair
    rows = predict(f"userId,movieId\n{user},{film}\n{user},999\n999,{film}\n999,999\n")
    assert [row["known"] for row in rows] == ["true", "false", "false", "false"]
    ratings = load_ratings(str(job[0] / "ratings"))
    train = split_ratings(ratings, SplitSpec()).train
    assert float(rows[3]["rating"]) == approx(train.rating.mean(), abs=1e-4)
    biases = TrainStore.build(train, torch.device("cpu")).biases
    assert (ratings.user_ids[0], ratings.films.ids[ratings.film[0]]) == (user, film)
    assert float(rows[1]["rating"]) == approx(float(biases.mean + biases.user[0]), abs=1e-4)
    place = ratings.film[0]
    assert float(rows[2]["rating"]) == approx(float(biases.mean + biases.film[place]), abs=1e-4)


def test_columns_may_be_in_any_order_and_include_timestamps(predict, train_pair):
    user, film, _ = train_pair
    (plain,) = predict(f"userId,movieId\n{user},{film}\n")
    (turned,) = predict(f"movieId,userId\n{film},{user}\n")
    assert turned == plain
    (timed,) = predict(f"timestamp,movieId,userId\n1500000000,{film},{user}\n")
    assert {**timed, "rating": ""} == {**plain, "rating": ""}
    assert timed["rating"] != plain["rating"]  # by what the user's ratings near in time say


def test_predict_names_the_neighbours_that_it_uses(job, done, tmp_path, train_pair):
    user, film, _ = train_pair
    for header, row, named in (
        ("userId,movieId", f"{user},{film}", "neighbours: none, because the pairs have no times"),
        ("userId,movieId,timestamp", f"{user},{film},1500000000", "neighbours: both"),
    ):
        (tmp_path / "asked.csv").write_text(f"{header}\n{row}\n")
        err = done("predict", "runs/a", tmp_path / "asked.csv", "--out", tmp_path / "o.csv").err
        assert err.endswith(f"; {named}\n")


def test_predict_prints_json(done, tmp_path):
    (tmp_path / "pairs.csv").write_text("userId,movieId\n1,1\n999,1\n")
    out = tmp_path / "out.csv"
    values = loads(done("predict", "runs/a", tmp_path / "pairs.csv", "--out", out, "--json"))
    assert (values["out"], values["n"]) == (str(out), 2)


def test_data_info(done):
    values = loads(done("data", "info", "ratings", "--json"))
    assert (values["ratings"], values["users"], values["scale"]) == (2000, 60, [0.5, 5.0])
    assert "2000" in done("data", "info", "ratings").out


def test_train_an_architectures_defaults(cli, folder):
    args = ["--dataset", "ratings", "--epochs", "1", "--device", "cpu", "--json"]
    result = loads(cli("train", "--architecture", "two_tower", *args))
    assert (result["run"], result["epochs"]) == ("runs/two_tower-1", 1)
    assert loads(cli("train", "--architecture", "two_tower", *args))["run"] == "runs/two_tower-2"
    assert (folder / "runs" / "two_tower-2" / "weights.safetensors").is_file()


def test_the_job_on_generated_ratings_of_any_size(cli, folder):
    """A size keeps its spelling from the study to the evaluation."""
    cli("start", "--study", "small.yaml", "--dataset", "demo:1k", "--trials", "1", "--quiet")
    cli("best", "--export", "config.yaml")
    assert "dataset: demo:1k\n" in (folder / "config.yaml").read_text()
    cli("train", "--config", "config.yaml", "--out", "runs/a", "--device", "cpu")
    values = loads(cli("evaluate", "runs/a", "--dataset", "demo:1000", "--json"))
    assert (values["dataset"], values["n"], values["leak"]) == ("demo:1k", 100, False)
    assert 0.5 < values["noise_rmse"] < values["rmse"]
    (folder / "pairs.csv").write_text("userId,movieId\n1,1\n")
    assert cli("predict", "runs/a", "pairs.csv", "--out", "out.csv").code == 0
