"""Studies on ratings as other programs write them: how to read them is kept with the study."""

from __future__ import annotations

import pytest
import yaml
from recsys_search.data.formats.pairs import read_pairs
from recsys_search.data.tables.columns import ReadOptions
from recsys_search.errors import ConfigError, DataError
from recsys_search.model.runs.experiment import read_experiment, write_experiment
from recsys_search.model.runs.plan import plan_experiment
from recsys_search.model.runs.run import Run, run_experiment
from recsys_search.model.runs.train_run import train_run
from recsys_search.search.definition.study_file import load_study

COLUMNS = {"user": "who", "item": "what", "rating": "how"}
STUDY = {"base": {"architecture": "mf", "max_epochs": 1}, "trials": 1}


@pytest.fixture
def exported(workplace):
    """A file with text ids, columns of other names, and one pair rated twice."""
    rows = [f"user-{u},B{f:03},{(u * 7 + f * 3) % 5 + 1}" for u in range(20) for f in range(15)]
    path = workplace.folder / "export.csv"
    path.write_text("\n".join(["who,what,how", *rows, "user-3,B004,5"]) + "\n")
    return path


def write_study(workplace, **keys):
    path = workplace.folder / "mine.yaml"
    path.write_text(yaml.safe_dump({**STUDY, **keys}))
    return str(path)


def test_columns_and_duplicates_are_kept_from_study_to_prediction(workplace, exported, tmp_path):
    study = write_study(workplace, dataset="export.csv", columns=COLUMNS, duplicates="newest")
    reader = workplace.start(study)
    assert reader.spec.read_options == ReadOptions(COLUMNS, "newest")
    assert reader.status()["complete"] == 1
    write_experiment(tmp_path / "config.yaml", reader.experiment())
    data = yaml.safe_load((tmp_path / "config.yaml").read_text())["data"]
    assert (data["columns"], data["duplicates"]) == (COLUMNS, "newest")
    train_run(read_experiment(tmp_path / "config.yaml"), tmp_path / "run")
    (tmp_path / "pairs.csv").write_text("who,what\nuser-3,B004\nnobody,B004\n")
    pairs = read_pairs(tmp_path / "pairs.csv", run_experiment(tmp_path / "run").read_options)
    _, known, _ = Run.load(tmp_path / "run", "cpu").predict(pairs)
    assert known.tolist() == [True, False]


def test_options_override_the_study_file_and_stay(workplace, exported):
    study = write_study(workplace, dataset="export.csv")
    with pytest.raises(DataError, match="has no column 'userId'"):
        workplace.start(study)
    workplace.start(study, columns=COLUMNS, duplicates="mean")
    reader = workplace.start("mine", trials=2)  # by name, as stored
    assert reader.spec.read_options == ReadOptions(COLUMNS, "mean")
    assert reader.status()["complete"] == 2


def test_train_takes_the_same_options(workplace, exported):
    experiment = plan_experiment(
        None, "biases", dataset=str(exported), columns=COLUMNS, duplicates="mean"
    )
    assert len(experiment.load()) == 300
    write_experiment(workplace.folder / "config.yaml", experiment)
    again = plan_experiment(workplace.folder / "config.yaml", None, duplicates="newest")
    assert again.read_options == ReadOptions(COLUMNS, "newest")


def test_notes_on_the_ratings_are_announced(workplace, exported, recorder):
    listener = recorder()
    study = write_study(workplace, dataset="export.csv", columns=COLUMNS, duplicates="newest")
    workplace.start(study, listener=listener)
    assert "1 of 301 ratings repeat a user and film; kept the newest of each" in listener.notices


def test_a_relative_dataset_is_in_the_study_files_folder(
    workplace, exported, monkeypatch, tmp_path
):
    path = write_study(workplace, dataset="./export.csv", columns=COLUMNS)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert load_study(path).dataset == str(exported)
    monkeypatch.chdir(workplace.folder)
    assert load_study("mine.yaml").dataset == "export.csv"


@pytest.mark.parametrize("dataset", ["demo", "demo:1M", "ml-1m", "/data/x", "~/x"])
def test_other_datasets_stay_as_they_are(workplace, dataset):
    assert load_study(write_study(workplace, dataset=dataset)).dataset == dataset


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"users": "a"}, "no column key named 'users'; did you mean user?"),
        ({"user": "1"}, "numbers count the columns of a file without a header"),
    ],
)
def test_wrong_columns_are_refused_with_their_line(workplace, columns, message):
    with pytest.raises(ConfigError, match=r"mine\.yaml line \d+: columns: ") as caught:
        load_study(write_study(workplace, dataset="demo", columns=columns))
    assert message in str(caught.value)
