"""`config.yaml`."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from recsys_search.data.sets.registry import DATASETS
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.errors import ConfigError, DataError, OutputError
from recsys_search.model.architectures.configs import build_config, config_fields
from recsys_search.model.architectures.table import architecture_names
from recsys_search.model.runs.experiment import (
    Experiment,
    read_config_file,
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


def test_text_that_looks_like_something_else_stays_text(path, experiment):
    for name in (
        "no",
        "null",
        "~",
        "",
        "1e5",
        "0x10",
        "017",
        "1_0",
        "1:30",
        "2026-01-31",
        "=",
        "<<",
    ):
        named = replace(experiment, dataset=name, origin={"study": name, name: [name]})
        write_experiment(path, named)
        assert read_experiment(path) == named


WHOLE = {
    "seed": st.integers(0, 2**31 - 1),
    "batch_size": st.integers(2, 2**63 - 1),
    "hidden_dims": st.lists(st.integers(1, 10**6), min_size=1, max_size=5),
    **dict.fromkeys(("n_factors", "latent_dim"), st.integers(1, 10**6)),
    **dict.fromkeys(
        ("max_epochs", "max_steps", "patience", "kl_cycles"), st.integers(1, 2**63 - 1)
    ),
}
REAL = {
    **dict.fromkeys(("dropout", "rating_dropout"), st.floats(0, 1, exclude_max=True)),
    "norm_power": st.floats(0, 1),
    "rank_weight": st.floats(0, 1e38),
    **dict.fromkeys(
        ("lr_warmup_epochs", "weight_decay", "kl_weight", "kl_warmup_epochs", "free_bits", "l2"),
        st.floats(0, 1e38),
    ),
    **dict.fromkeys(
        ("learning_rate", "grad_clip", "kl_target", "init_std", "user_shrinkage", "film_shrinkage"),
        st.floats(0, 1e38, exclude_min=True),
    ),
}
NAMED = {
    "kl_schedule": st.sampled_from(["constant", "linear", "cyclical", "controller"]),
    "free_bits_per": st.sampled_from(["sum", "dimension"]),
    "amp": st.sampled_from(["auto", "bf16", "fp16", "off"]),
    **dict.fromkeys(("skip", "bias", "side"), st.booleans()),
    "neighbours": st.sampled_from(["auto", "off", "past", "both"]),
    "likelihood": st.sampled_from(["mse", "gaussian", "ordinal"]),
}
VALUES = WHOLE | REAL | NAMED
SPLITS = st.one_of(
    st.builds(SplitSpec, seed=st.integers(0, 2**31 - 1)),
    st.builds(SplitSpec, method=st.just("leave-last-k"), k=st.integers(1, 9)),
    st.builds(SplitSpec, method=st.sampled_from(["temporal", "u1", "ua"])),
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | TEXT
TABLES = st.dictionaries(TEXT, PLAIN | st.lists(PLAIN, max_size=3), max_size=4)


@st.composite
def experiments(draw):
    """Any valid experiment, with every field of the config drawn."""
    architecture = draw(st.sampled_from(sorted(architecture_names())))
    names = sorted(config_fields(architecture) - {"architecture"})
    return Experiment(
        config=build_config(architecture, **{name: draw(VALUES[name]) for name in names}),
        dataset=draw(TEXT),
        split=draw(SPLITS),
        fingerprint=draw(st.none() | TEXT | st.from_regex(r"[0-9a-f]{16}", fullmatch=True)),
        origin=draw(TABLES),
        metrics=draw(TABLES),
        environment=draw(TABLES),
    )


@settings(max_examples=150, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
@given(experiment=experiments())
def test_any_experiment_is_read_as_it_was_written(tmp_path_factory, experiment):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    write_experiment(path, experiment)
    # Compared as text, because NaN does not equal itself.
    assert repr(read_experiment(path)) == repr(experiment)


@pytest.mark.parametrize(
    "name", ["ordner ä", "映画", "\N{CLAPPER BOARD}", "a: b # c", " a ", "a\nb"]
)
def test_a_dataset_folder_may_have_any_name(tmp_path, path, name, experiment):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "ratings.csv").write_text("userId,movieId,rating\n1,1,4\n1,2,3\n")
    write_experiment(path, experiment.on(str(folder)))
    assert len(read_experiment(path).load()) == 2


def test_writing_leaves_no_other_files_in_the_folder(tmp_path, experiment):
    write_experiment(tmp_path / "config.yaml", experiment)
    with pytest.raises(OutputError, match=r"new/config\.yaml cannot be written: No such file"):
        write_experiment(tmp_path / "new" / "config.yaml", experiment)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="folder cannot be written: it is a folder"):
        write_experiment(tmp_path / "folder", experiment)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["config.yaml", "folder"]


def test_the_file_starts_with_an_example_command(path, experiment):
    write_experiment(path, experiment)
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# Train it: recsys-search train --config config.yaml"


@pytest.mark.parametrize("name", ["a\nb.yaml", "\udcff.yaml"])
def test_an_unusual_file_name_does_not_break_the_file(tmp_path, name, experiment):
    write_experiment(tmp_path / name, experiment)
    assert read_experiment(tmp_path / name) == experiment


def test_a_config_and_a_dataset_are_enough(path):
    path.write_text("config: {architecture: two_tower, seed: 3}\ndata: {dataset: demo}\n")
    assert read_experiment(path) == Experiment(
        config=build_config("two_tower", seed=3), dataset="demo", split=SplitSpec()
    )


GOOD = """\
config:
  architecture: hybrid
  dropout: 0.1
  hidden_dims:
    - 8
    - 6
data:
  dataset: demo
  split: {train: 0.8}
"""
# A change to GOOD, and the message about it after the file's name.
COMPLAINTS = [
    ("dropout: 0.1", "dropout: 1.5", " line 3: config: dropout must be less than 1, got 1.5"),
    ("dropout: 0.1", "dropout: true", " line 3: config: dropout must be a number, got True"),
    ("    - 6", "    - 0", " line 6: config: hidden_dims.1 must be at least 1, got 0"),
    (
        "dropout:",
        "dropuot:",
        " line 3: config: hybrid has no field named 'dropuot'; did you mean dropout?",
    ),
    (
        "architecture: hybrid",
        "architecture: hybird",
        " line 2: config: no architecture named 'hybird'; choose from two_tower, hybrid, mf, ",
    ),
    (
        "  architecture: hybrid\n",
        "",
        " line 1: config: architecture is missing; choose from two_tower, hybrid, mf, biases",
    ),
    ("{train: 0.8}", "{trian: 0.8}", " line 9: data split trian: unknown key; did you mean train?"),
    ("{train: 0.8}", "{train: 2}", " line 9: data split: train must be at most 1, got 2"),
    (
        "{train: 0.8}",
        "{train: 0.7}",
        " line 9: data split: train, validation and test must sum to 1, got 0.7 + 0.1 + 0.1 = 0.9",
    ),
    ("{train: 0.8}", "8", " line 9: data: split must be a table, got 8"),
    ("dataset: demo", "dataset: 100", " line 8: data: dataset must be text, got 100"),
    ("  dataset: demo\n", "", " line 7: data: dataset is missing; add it"),
    (
        "data:\n",
        "seed: 3\ndata:\n",
        " line 7: seed: unknown key; choose from config, data, metric, ",
    ),
    ("data:\n", "origin: []\ndata:\n", " line 7: origin must be a table, got []"),
    (GOOD, "config: 3\ndata: {dataset: demo}\n", " line 1: config must be a table, got 3"),
    (GOOD, "data: {dataset: demo}\n", ": config is missing; add it"),
    (GOOD, "config: {architecture: hybrid}\n", ": data is missing; add it"),
    (GOOD, "", ": the file is empty; write `key: value` lines"),
]


@pytest.mark.parametrize(("old", "new", "message"), COMPLAINTS)
def test_an_error_in_the_file_is_reported_with_its_line(path, old, new, message):
    path.write_text(GOOD)
    read_experiment(path)  # before the damage
    assert GOOD.count(old) == 1
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        read_experiment(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_a_missing_file_is_reported_with_the_command_that_writes_one(path):
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


def test_another_dataset_clears_the_fingerprint(experiment, tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "ratings.csv").write_text("userId,movieId,rating\n1,1,4\n1,2,3\n")
    monkeypatch.chdir(tmp_path)
    other = experiment.on("mine")
    assert (other.dataset, other.fingerprint) == (str(folder), None)
    assert (other.config, other.split) == (experiment.config, experiment.split)
    assert len(other.load()) == 2


# Edits by hand.


@pytest.mark.parametrize(
    ("old", "new", "changed_from"),
    [
        ("learning_rate: 1.0e-05", "learning_rate: 0.01", {"learning_rate": 1e-5}),
        ("  - 8\n  - 6\n", "  - 9\n", {"hidden_dims": [8, 6]}),
        ("    seed: 3", "    seed: 4", {"split seed": 3}),
        ("fingerprint: 0123456789abcdef", "fingerprint: null", {"fingerprint": "0123456789abcdef"}),
        ("origin:", "metric: val_mse\norigin:", {"metric": "val_rmse"}),
        ("  dropout: 0.4\n", "", {}),
        ("dropout: 0.4", "dropout: 4e-1", {}),
        ("dataset: demo", "dataset: /moved/here", {}),
    ],
)
def test_an_edited_file_no_longer_has_its_trials_figures(path, experiment, old, new, changed_from):
    write_experiment(path, experiment)
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    read = read_experiment(path)
    assert read.origin == {
        **experiment.origin,
        **({"changed_from": changed_from} if changed_from else {}),
    }
    assert (read.metrics == experiment.metrics) == (not changed_from)
    assert (read.environment == experiment.environment) == (not changed_from)


def test_a_search_and_replace_over_the_whole_file_is_noticed(path, experiment):
    write_experiment(path, replace(experiment, config=build_config("mf", seed=1234)))
    path.write_text(path.read_text().replace("seed: 1234", "seed: 5"))
    assert read_experiment(path).origin["changed_from"] == {"seed": 1234}


def test_an_edited_file_that_is_saved_again_keeps_the_trials_values(path, experiment):
    write_experiment(path, experiment)
    path.write_text(path.read_text().replace("learning_rate: 1.0e-05", "learning_rate: 0.01"))
    edited = replace(read_experiment(path), metrics={"val_rmse": 0.8})
    write_experiment(path, edited)
    assert read_experiment(path) == edited


def test_a_field_that_another_version_lacks_is_no_change(path, experiment):
    """As if the file had been written before `dropout` was a field, or after `new` was one."""
    write_experiment(path, experiment)
    text = path.read_text().replace("  dropout: 0.4\n", "")
    text = text.replace('"dropout": 0.4', '"new": 1')
    path.write_text(text)
    assert read_experiment(path).origin == experiment.origin


def test_a_file_of_an_older_version_is_read_as_it_is(path, experiment):
    write_experiment(path, experiment)
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("as_trained:")], encoding="utf-8")
    assert read_experiment(path) == experiment
    assert not read_config_file(path).reveals_edits


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  trial: 7", "  changed_from: 7", "origin: changed_from must be a table, got 7"),
        ("as_trained: '{", "as_trained: '", "as_trained must be valid JSON, "),
    ],
)
def test_damaged_provenance_is_reported_with_its_line(path, experiment, old, new, message):
    write_experiment(path, experiment)
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"^{path} line [0-9]+: {message}"):
        read_experiment(path)
