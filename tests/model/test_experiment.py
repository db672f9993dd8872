"""config.yaml."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recsys_search.data.datasets import DATASETS
from recsys_search.data.splits import SplitSpec
from recsys_search.errors import ConfigError, DataError, OutputError
from recsys_search.model.config import build_config
from recsys_search.model.experiment import (
    Experiment,
    environment,
    read_experiment,
    write_experiment,
)


@pytest.fixture
def experiment():
    return Experiment(
        config=build_config("hybrid", learning_rate=1e-5, hidden_dims=(8, 6)),
        dataset="demo",
        split=SplitSpec(train=0.7, validation=0.2, test=0.1, seed=3),
        fingerprint="0123456789abcdef",
        origin={"study": "früh", "trial": 7},
        metrics={"val_rmse": 0.1 + 0.2},
        environment={"torch": "2.13.0", "commit": None},
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config.yaml"


def test_an_experiment_is_read_as_it_was_written(path, experiment):
    write_experiment(path, experiment)
    assert read_experiment(path) == experiment


def test_a_fingerprint_of_digits_alone_stays_text(path, experiment):
    for fingerprint in ("1234567890123456", "12345678901234e5", "0000000000000000"):
        digits = replace(experiment, fingerprint=fingerprint)
        write_experiment(path, digits)
        assert read_experiment(path) == digits


def test_writing_leaves_nothing_else_in_the_folder(tmp_path, experiment):
    write_experiment(tmp_path / "config.yaml", experiment)
    with pytest.raises(OutputError, match=r"new/config\.yaml cannot be written: No such file"):
        write_experiment(tmp_path / "new" / "config.yaml", experiment)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="folder cannot be written: it is a folder"):
        write_experiment(tmp_path / "folder", experiment)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["config.yaml", "folder"]


def test_the_file_begins_with_a_line_to_paste(path, experiment):
    write_experiment(path, experiment)
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# Train it: recsys-search train --config config.yaml"


def test_by_hand_a_config_and_a_dataset_are_enough(path):
    path.write_text("config: {architecture: two_tower, seed: 3}\ndata: {dataset: demo}\n")
    assert read_experiment(path) == Experiment(
        config=build_config("two_tower", seed=3), dataset="demo", split=SplitSpec()
    )


GOOD_DATA = "data: {dataset: demo}\n"
GOOD_CONFIG = "config: {architecture: hybrid}\n"
COMPLAINTS = [
    ("", "the file must be a table, got None"),
    (GOOD_DATA, "config is missing"),
    (GOOD_CONFIG, "data is missing"),
    (GOOD_CONFIG + "data: {}\n", "data.dataset is missing"),
    (GOOD_CONFIG + GOOD_DATA + "seed: 3\n", "no field named 'seed'"),
    (
        GOOD_CONFIG + "data: {dataset: demo, split: {trian: 0.8}}\n",
        "no field named 'data.split.trian'",
    ),
    (
        GOOD_CONFIG + "data: {dataset: demo, split: {train: 2}}\n",
        "data.split.train must be at most 1, got 2",
    ),
    ("config: 3\n" + GOOD_DATA, "config must be a table, got 3"),
    (
        "config: {architecture: hybrid, dropuot: 0.1}\n" + GOOD_DATA,
        "config: hybrid has no field named 'dropuot'; did you mean dropout?",
    ),
    (
        "config: {architecture: hybrid, dropout: 1.5}\n" + GOOD_DATA,
        "config: dropout must be less than 1, got 1.5",
    ),
    (
        "config: {dropout: 0.1}\n" + GOOD_DATA,
        "config: architecture is missing; choose from two_tower, hybrid",
    ),
]


@pytest.mark.parametrize(("text", "told"), COMPLAINTS)
def test_what_is_wrong_in_the_file_is_told_in_one_line(path, text, told):
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_experiment(path)
    assert str(caught.value) == f"{path}: {told}"


@pytest.mark.parametrize("text", [b"config: [", b"\xff\xfe\x00", b"a: b: c"])
def test_a_file_that_is_no_yaml_is_told_in_one_line(path, text):
    path.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        read_experiment(path)
    assert str(caught.value).startswith(f"{path} cannot be read: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told_with_the_way_to_one(path):
    with pytest.raises(ConfigError) as caught:
        read_experiment(path)
    assert str(caught.value) == (
        f"no config at {path}; write one with: recsys-search best --export {path}"
    )


def test_other_ratings_than_the_config_was_found_on_are_refused(experiment, demo, monkeypatch):
    monkeypatch.setitem(DATASETS, "demo", lambda: demo)
    with pytest.raises(DataError) as caught:
        experiment.load()
    assert str(caught.value) == (
        f"demo has other ratings (fingerprint {demo.fingerprint}) than the config was found on "
        "(0123456789abcdef); restore them, or name the ones to train on with --dataset"
    )


def test_the_same_ratings_are_loaded(experiment, demo, monkeypatch):
    monkeypatch.setitem(DATASETS, "demo", lambda: demo)
    assert replace(experiment, fingerprint=demo.fingerprint).load() is demo
    assert replace(experiment, fingerprint=None).load() is demo


def test_on_another_dataset_the_fingerprint_is_open(experiment, tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "ratings.csv").write_text("userId,movieId,rating\n1,1,4\n1,2,3\n")
    monkeypatch.chdir(tmp_path)
    other = experiment.on("mine")
    assert (other.dataset, other.fingerprint) == (str(folder), None)
    assert (other.config, other.split) == (experiment.config, experiment.split)
    assert len(other.load()) == 2


def test_the_environment_names_versions_and_device():
    found = environment(device="cpu", amp="off", threads=2)
    assert (found["device"], found["amp"], found["threads"]) == ("cpu", "off", 2)
    assert found["torch"].startswith("2.")
    assert {"python", "numpy", "optuna", "recsys-search", "commit", "machine"} <= found.keys()
