"""The message about a study file that changed after its study was created."""

from __future__ import annotations

import pytest
from recsys_search.errors import ConfigError, DataError, StudyError
from recsys_search.search.definition.study_file import read_study, spec_from_json, spec_to_json
from recsys_search.search.running.changes import check_unchanged, find_changes
from recsys_search.search.running.opening import Overrides, resolve_spec

STUDY = """\
dataset: demo
split: {seed: 7}
base:
  patience: 3
  hybrid.patience: 7
space:
  architecture: {choice: [two_tower, hybrid]}
  learning_rate: {float: [1e-4, 1e-2], log: true}
known:
  - {name: a, architecture: hybrid}
  - {name: b, architecture: two_tower, weight_decay: 1e-3}
pruners:
  - gpu_memory: {share: 0.8}
  - plateau
  - hopeless: {chance: 0.1}
  - median
trials: 8
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return read_study(str(path))

    return read


@pytest.fixture
def changes(read):
    """The changes of STUDY, with their lines, if one text in it is replaced."""

    def changes(old, new):
        assert STUDY.count(old) == 1
        stored = spec_from_json(spec_to_json(read(STUDY)[0]))
        spec, file = read(STUDY.replace(old, new))
        return [(file.line_of(change.at), str(change)) for change in find_changes(stored, spec)]

    return changes


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("seed: 7", "seed: 8", 2, "split seed: 7 -> 8"),
        ("split: {seed: 7}\n", "", None, "split seed: 7 -> 42"),
        (
            "{seed: 7}",
            "{method: leave-last-k, k: 2}",
            2,
            "split: {method: random, train: 0.8, validation: 0.1, test: 0.1, seed: 7} -> "
            "{method: leave-last-k, k: 2}",
        ),
        ("  patience: 3\n", "", 3, "base patience: 3 -> not set"),
        ("hybrid.patience: 7", "hybrid.dropout: 0.1", None, None),
        ("1e-2]", "0.1]", 8, "space learning_rate float: [0.0001, 0.01] -> [0.0001, 0.1]"),
        (", log: true", "", 8, "space learning_rate log: true -> false"),
        (
            "{float: [1e-4, 1e-2], log: true}",
            "{choice: [3e-4, 0.003, 0.001]}",
            8,
            "space learning_rate: {float: [0.0001, 0.01], log: true} -> "
            "{choice: [0.0003, 0.003, 0.001]}",
        ),
        (
            "[two_tower, hybrid]",
            "[hybrid, two_tower]",
            7,
            "space architecture choice: [two_tower, hybrid] -> [hybrid, two_tower]",
        ),
        ("name: b", "name: c", 9, "known: [a, b] -> [a, c]"),
        ("weight_decay: 1e-3", "weight_decay: 0.1", 11, "known b weight_decay: 0.001 -> 0.1"),
        (", weight_decay: 1e-3", "", 11, "known b weight_decay: 0.001 -> not set"),
        ("chance: 0.1", "chance: 0.2", 15, "pruners hopeless chance: 0.1 -> 0.2"),
        ("- median", "- median: {warmup_epochs: 3}", 16, "pruners median warmup_epochs: 10 -> 3"),
        (
            "  - plateau\n",
            "",
            12,
            "pruners: [plateau, {hopeless: {chance: 0.1}}, median] -> "
            "[{hopeless: {chance: 0.1}}, median]",
        ),
        (
            "trials",
            "sampler: {random: {seed: 1}}\ntrials",
            17,
            "sampler: {auto: {seed: 42, startup_trials: 10}} -> {random: {seed: 1}}",
        ),
        (
            "trials",
            "objective: {metric: val_mse}\ntrials",
            17,
            "objective metric: val_rmse -> val_mse",
        ),
        ("trials", "contingency: {kl_weight: 0.1}\ntrials", 17, None),
    ],
)
def test_a_change_is_shown_as_the_study_file_writes_it(changes, old, new, line, message):
    found = changes(old, new)
    if message is not None:
        assert found == [(line, message)]
    assert found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("trials: 8", "trials: 9"),
        ("dataset: demo", "dataset: demo:2k"),
        ("trials", "limits: {kl_weight: 0.1}\nbudget: {epochs: 5}\ntimeout: 1h\ntrials"),
        ("trials", "objective: {target: {metric: val_rmse, below: 0.1}}\ntrials"),
        ("  - gpu_memory: {share: 0.8}\n", ""),
        ("- plateau", "- plateau: {}"),
        ("1e-2]", "0.01]"),
        ("dataset", "x-more: &more {a: 1}\ndataset"),
    ],
)
def test_what_may_change_or_means_the_same_is_no_change(changes, old, new):
    assert changes(old, new) == []


def test_up_to_five_changes_are_shown_with_their_lines_and_the_remedies(
    read, tmp_path, monkeypatch
):
    monkeypatch.setenv("RECSYS_SEARCH_ARTIFACTS", "/shared/x")
    stored, _ = read(STUDY)
    text = (
        STUDY.replace("  patience: 3\n", "")
        .replace("7", "8")
        .replace("1e-3", "0.3")
        .replace("1e-4", "2e-4")
    )
    spec, file = read(
        text.replace("0.1}", "0.2}").replace("- median", "- median: {percentile: 50}")
    )
    with pytest.raises(StudyError) as caught:
        check_unchanged(stored, spec, file, "sqlite:///mine.db")
    path = tmp_path / "mine.yaml"
    assert str(caught.value) == (
        f"study mine in sqlite:///mine.db was created with other settings than {path} has now: "
        "line 2: split seed: 7 -> 8; line 3: base patience: 3 -> not set; "
        "line 4: base hybrid.patience: 7 -> 8; "
        "line 7: space learning_rate float: [0.0001, 0.01] -> [0.0002, 0.01]; "
        "line 10: known b weight_decay: 0.001 -> 0.3; and 1 more; "
        "to continue it unchanged: recsys-search start --study mine --storage sqlite:///mine.db "
        "--artifacts /shared/x; "
        "to run the new settings, give the file another name with its key `name:`"
    )


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("ml-latest-smal", "no dataset named 'ml-latest-smal'; did you mean ml-latest-small?"),
        ("none/x", "no folder or file {folder}/none/x; name one with ratings"),
    ],
)
def test_an_unknown_dataset_is_refused_with_its_line(tmp_path, dataset, message):
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\ndataset: {dataset}\nbase: {{architecture: mf}}\ntrials: 1\n")
    storage = f"sqlite:///{tmp_path}/studies.db"
    with pytest.raises(ConfigError) as caught:
        resolve_spec(str(path), storage, Overrides())
    assert str(caught.value).startswith(
        f"{path} line 2: dataset: {message.format(folder=tmp_path)}"
    )
    with pytest.raises(DataError, match=r"^no dataset named 'none'"):
        resolve_spec(str(path), storage, Overrides(dataset="none"))
