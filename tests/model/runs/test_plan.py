"""From the options of `train` to the experiment that it runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.errors import ConfigError, DataError
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


def test_options_that_a_model_has_no_use_for_are_accepted_with_one_notice(tmp_path):
    notices = []
    options = {"seed": 3, "epochs": 2, "split": "temporal:80/10/10", "split_seed": 5}
    planned = plan_experiment(None, "biases", dataset="demo", notify=notices.append, **options)
    assert (planned.config, planned.split) == (
        build_config("biases"),
        SplitSpec(method="temporal"),
    )
    assert notices == [
        "without effect: --seed and --epochs on biases, --split-seed on a temporal split"
    ]
    write_experiment(tmp_path / "config.yaml", planned)
    again = plan_experiment(tmp_path / "config.yaml", None, seed=3, notify=notices.append)
    assert again == planned
    assert notices[1:] == ["without effect: --seed on biases"]


def test_options_with_an_effect_need_no_notice(path):
    plan_experiment(path, None, seed=1, epochs=2, split="u1", split_seed=3, notify=pytest.fail)


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


# What is known about the trial that a config comes from.


@pytest.fixture
def measured(tmp_path, found):
    """The export of a completed trial."""
    experiment = replace(found, metrics={"val_rmse": 0.9}, environment={"torch": "2.13.0"})
    write_experiment(tmp_path / "config.yaml", experiment)
    return experiment


def test_options_that_change_nothing_keep_the_trials_figures(path, measured):
    same = {"seed": 7, "epochs": 9, "split": "70/20/10", "split_seed": 3}
    assert plan_experiment(path, None, **same) == measured


@pytest.mark.parametrize(
    ("options", "changed_from"),
    [
        ({"seed": 1}, {"seed": 7}),
        ({"epochs": 2}, {"max_epochs": 9}),
        ({"split": "80/10/10"}, {"split train": 0.7, "split validation": 0.2}),
        ({"split_seed": 5}, {"split seed": 3}),
        ({"split": "u1", "split_seed": 3}, {"split method": "random", "split validation": 0.2}),
    ],
)
def test_options_are_recorded_as_changes_of_the_trials_config(
    path, measured, options, changed_from
):
    planned = plan_experiment(path, None, **options)
    assert planned.origin == {"study": "mine", "trial": 4, "changed_from": changed_from}
    assert (planned.metrics, planned.environment) == ({}, {})


def test_changes_add_up_over_several_trainings_and_one_that_is_undone_is_forgotten(path, measured):
    for options in ({"seed": 1, "epochs": 2}, {"seed": 2}, {"epochs": 9}):
        write_experiment(path, plan_experiment(path, None, **options))
    assert plan_experiment(path, None).origin["changed_from"] == {"seed": 7}
    assert plan_experiment(path, None, seed=7).origin == measured.origin


def test_options_on_a_config_written_by_hand_leave_its_origin_empty(path, found):
    write_experiment(path, replace(found, origin={}))
    assert plan_experiment(path, None, seed=1).origin == {}


@pytest.fixture
def folders(tmp_path):
    """Folders with the same ratings, and one with others."""
    text = "userId,movieId,rating\n1,1,4\n1,2,3\n"
    for name, more in (("here", ""), ("there", ""), ("other", "2,1,5\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ratings.csv").write_text(text + more)
    return tmp_path


def test_the_same_ratings_in_another_place_change_nothing(path, measured, folders):
    here = measured.on(str(folders / "here"))
    fingerprint = here.load().fingerprint
    write_experiment(path, replace(measured, dataset=here.dataset, fingerprint=fingerprint))
    planned = plan_experiment(path, None, dataset=str(folders / "there"))
    assert planned.dataset == str(folders / "there")
    assert (planned.fingerprint, planned.origin) == (fingerprint, measured.origin)
    assert planned.metrics == measured.metrics


def test_other_ratings_are_recorded_until_they_are_the_trials_again(path, measured, folders):
    here = measured.on(str(folders / "here"))
    fingerprint = here.load().fingerprint
    write_experiment(path, replace(measured, dataset=here.dataset, fingerprint=fingerprint))
    other = plan_experiment(path, None, dataset=str(folders / "other"))
    assert other.metrics == {}
    assert other.origin["changed_from"] == {"dataset": here.dataset, "fingerprint": fingerprint}
    write_experiment(path, other.pinned(other.load().fingerprint))
    back = plan_experiment(path, None, dataset=str(folders / "there"))
    assert back.pinned(fingerprint).origin == measured.origin


def test_a_file_of_an_older_version_keeps_its_origin_but_not_its_figures(path, measured):
    lines = path.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("as_trained:"))
    path.write_text("\n".join(lines[:at]) + "\n")
    notices = []
    planned = plan_experiment(path, None, notify=notices.append)
    assert (planned.origin, planned.metrics) == (measured.origin, {})
    assert notices == [
        f"{path} has no as_trained, which older versions did not write: edits to "
        "it cannot be detected, so its figures are not compared with the training's"
    ]


# Fields that a file leaves out.


def without(path, *names):
    lines = path.read_text().splitlines()
    kept = [line for line in lines if line.split(":")[0].strip() not in names]
    path.write_text("\n".join(kept) + "\n")


@pytest.mark.parametrize(
    ("names", "options", "notice"),
    [
        (["dropout"], {}, "dropout (0.4) to its default"),
        (["dropout", "n_factors"], {}, "n_factors (200) and dropout (0.4) to their defaults"),
        (["seed"], {}, "split seed (42) and seed (42) to their defaults"),
        (["seed"], {"seed": 3}, "split seed (42) to its default"),
        (["seed"], {"seed": 3, "split_seed": 3}, None),
        (["max_epochs"], {"epochs": 3}, None),
    ],
)
def test_fields_that_a_file_leaves_to_their_defaults_are_named(path, found, names, options, notice):
    without(path, *names)
    notices = []
    plan_experiment(path, None, **options, notify=notices.append)
    assert notices == ([] if notice is None else [f"{path} leaves {notice}"])


def test_of_many_fields_left_out_five_are_named(path):
    path.write_text("config: {architecture: mf, seed: 3}\ndata: {dataset: demo}\n")
    notices = []
    plan_experiment(path, None, notify=notices.append)
    assert notices == [
        f"{path} leaves split (80/10/10), max_epochs (20), patience (15), batch_size (2048), "
        "learning_rate (0.005) and 7 other fields to their defaults"
    ]
    notices.clear()
    plan_experiment(path, None, split="80/10/10", notify=notices.append)
    assert notices[0].startswith(f"{path} leaves max_epochs (20), ")
