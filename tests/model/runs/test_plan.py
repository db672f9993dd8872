"""From the options of `train` to the experiment that it runs."""

from __future__ import annotations

import pytest
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.errors import ConfigError, DataError, OptionError
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.runs.experiment import Experiment, write_experiment
from recsys_search.model.runs.plan import new_run_folder, plan_experiment


@pytest.fixture
def found():
    """An experiment as a study exports it."""
    return Experiment(
        config=build_config("hybrid", learning_rate=1e-4, seed=7, max_epochs=9),
        dataset="demo",
        split=SplitSpec(train=0.7, validation=0.2, test=0.1, seed=3),
        fingerprint="0123456789abcdef",
        origin={"study": "mine", "trial": 4},
    )


@pytest.fixture
def path(tmp_path, found):
    write_experiment(tmp_path / "config.yaml", found)
    return tmp_path / "config.yaml"


def test_a_config_file_alone_is_used_unchanged(path, found):
    assert plan_experiment(path, None) == found


def test_an_architecture_is_trained_with_its_defaults():
    planned = plan_experiment(None, "two_tower", dataset="demo")
    assert planned == Experiment(
        config=build_config("two_tower"), dataset="demo", split=SplitSpec()
    )


def test_options_take_precedence_over_the_file(path, found):
    planned = plan_experiment(path, None, seed=1, epochs=2, split="80/10/10", split_seed=5)
    assert (planned.config.seed, planned.config.max_epochs) == (1, 2)
    assert planned.config.learning_rate == found.config.learning_rate
    assert planned.split == SplitSpec(train=0.8, validation=0.1, test=0.1, seed=5)


def test_zero_is_a_seed(path):
    planned = plan_experiment(path, None, seed=0, split_seed=0)
    assert (planned.config.seed, planned.split.seed) == (0, 0)


def test_another_split_keeps_the_seed_of_the_shuffle(path):
    assert plan_experiment(path, None, split="90/5/5").split.seed == 3


def test_another_dataset_clears_the_fingerprint(path, tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating\n1,1,4\n")
    planned = plan_experiment(path, None, dataset=str(tmp_path))
    assert (planned.dataset, planned.fingerprint) == (str(tmp_path), None)


def test_a_folder_is_saved_with_its_absolute_path(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "ratings.csv").write_text("userId,movieId,rating\n1,1,4\n")
    monkeypatch.chdir(tmp_path)
    assert plan_experiment(None, "hybrid", dataset="mine").dataset == str(tmp_path / "mine")


@pytest.mark.parametrize("architecture", [None, "hybrid"])
def test_exactly_one_of_config_and_architecture_is_required(path, architecture):
    with pytest.raises(ConfigError, match="name one of --config FILE and --architecture NAME"):
        plan_experiment(path if architecture else None, architecture)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"dataset": None}, ConfigError, "--architecture hybrid needs --dataset, such as demo"),
        ({"dataset": "ml-2m"}, DataError, "no dataset named 'ml-2m'; choose from ml-"),
        (
            {"split": "80/20"},
            ConfigError,
            "split must look like 80/10/10, temporal:80/10/10, ",
        ),
    ],
)
def test_invalid_options_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        plan_experiment(None, "hybrid", **{"dataset": "demo", **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "max_epochs must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"split_seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_a_value_out_of_its_range_is_refused(changes, message):
    with pytest.raises(ConfigError) as caught:
        plan_experiment(None, "hybrid", dataset="demo", **changes)
    assert str(caught.value) == message


@pytest.mark.parametrize(("option", "field"), [("seed", "seed"), ("epochs", "max_epochs")])
def test_an_option_that_the_architecture_has_no_field_for_is_refused(option, field):
    with pytest.raises(OptionError, match=f"^biases has no field named '{field}'; choose from"):
        plan_experiment(None, "biases", dataset="demo", **{option: 3})


def test_a_new_run_has_the_first_free_number(tmp_path, monkeypatch, found):
    monkeypatch.chdir(tmp_path)
    assert str(new_run_folder(found)) == "runs/hybrid-1"
    (tmp_path / "runs" / "hybrid-1").mkdir(parents=True)
    (tmp_path / "runs" / "two_tower-2").mkdir()
    assert str(new_run_folder(found)) == "runs/hybrid-2"


def split_of(text, **option):
    return plan_experiment(None, "two_tower", dataset="demo", split=text, **option).split


SPLITS = {
    None: SplitSpec(),
    "90/5/5": SplitSpec(train=0.9, validation=0.05, test=0.05),
    "temporal:80/10/10": SplitSpec(method="temporal"),
    "leave-last-2": SplitSpec(method="leave-last-k", k=2),
    "u1": SplitSpec(method="u1"),
}


@pytest.mark.parametrize(("text", "spec"), SPLITS.items())
def test_every_split_method_can_be_chosen(text, spec):
    assert split_of(text) == spec


def test_a_split_seed_applies_to_a_random_split():
    assert split_of("90/5/5", split_seed=7).seed == 7
    assert split_of("u1", split_seed=7).seed == 7


def test_a_split_seed_without_effect_is_refused():
    with pytest.raises(ConfigError, match=r"^a leave-last-k split takes no seed, got 7; leave it"):
        split_of("leave-last-2", split_seed=7)


@pytest.mark.parametrize("text", SPLITS)
def test_the_split_option_replaces_the_split_of_the_config_file(tmp_path, text):
    for before in ("temporal:70/20/10", "ua", "80/10/10"):
        path = tmp_path / "config.yaml"
        first = plan_experiment(None, "two_tower", dataset="demo", split=before, seed=3)
        write_experiment(path, first)
        planned = plan_experiment(path, None, split=text)
        assert planned.split == (first.split if text is None else SPLITS[text])


def test_new_shares_keep_the_split_seed_of_the_config_file(tmp_path):
    path = tmp_path / "config.yaml"
    first = plan_experiment(None, "two_tower", dataset="demo", split_seed=7)
    write_experiment(path, first)
    assert plan_experiment(path, None, split="90/5/5").split.seed == 7
