"""Ensembles of runs, saved as runs."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from pytest import approx
from recsys_search.data.formats.pairs import UserFilmPairs
from recsys_search.data.sets.registry import DATASETS
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.errors import ConfigError, OptionError, RunError
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.ensembles.combine import combine_runs
from recsys_search.model.runs.ensemble_config import EnsembleConfig
from recsys_search.model.runs.experiment import Experiment, read_experiment, write_experiment
from recsys_search.model.runs.plan import plan_experiment
from recsys_search.model.runs.run import Run
from recsys_search.model.runs.train_run import train_run

from ..conftest import SMALL

SPEC = SplitSpec(seed=3)
NAMES = ("two_tower", "mf", "biases", "hybrid")


@pytest.fixture(autouse=True)
def small_demo(monkeypatch, demo):
    """The demo dataset is one of 600 ratings."""
    monkeypatch.setitem(DATASETS, "demo", lambda: demo)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, demo):
    """A folder with a run of each architecture, trained on one split."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, "demo", lambda: demo)
        for name in NAMES:
            values = {} if name == "biases" else {"max_epochs": 4}
            config = build_config(name, **{**SMALL[name], **values})
            train_run(Experiment(config=config, dataset="demo", split=SPEC), folder / name)
    return folder


@pytest.fixture
def runs(trained):
    return [trained / name for name in NAMES]


def pairs_of(ratings):
    return UserFilmPairs(ratings.user_ids[ratings.user], ratings.films.ids[ratings.film], None)


def predictions(folder, pairs):
    return Run.load(folder, "cpu").predict(pairs)[0].astype(float)


# What it predicts.


def test_equal_weights_predict_the_mean_of_the_members(tmp_path, demo, runs):
    combine_runs(runs, tmp_path / "a", weighting="equal", device="cpu")
    pairs = pairs_of(demo)
    mean = np.mean([predictions(folder, pairs) for folder in runs], 0)
    assert predictions(tmp_path / "a", pairs) == approx(mean, abs=1e-5)


def test_an_ensemble_needs_its_members_folders_no_more(tmp_path, demo, runs):
    copies = [shutil.copytree(folder, tmp_path / folder.name) for folder in runs]
    combine_runs(copies, tmp_path / "a", device="cpu")
    before = Run.load(tmp_path / "a", "cpu").evaluate("validation")
    for copy in copies:
        shutil.rmtree(copy)
    (tmp_path / "a").rename(tmp_path / "b")
    assert Run.load(tmp_path / "b", "cpu").evaluate("validation") == before
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [
        "config.yaml",
        "reports.jsonl",
        "weights.safetensors",
    ]


def test_unknown_users_and_films_are_predicted_and_marked(tmp_path, demo, runs):
    combine_runs(runs, tmp_path / "a", weighting="equal", device="cpu")
    user, film = demo.user_ids[demo.user[0]], demo.films.ids[demo.film[0]]
    pairs = UserFilmPairs(np.array([user, 9999, user]), np.array([film, film, 9999]), None)
    predicted, known, std = Run.load(tmp_path / "a", "cpu").predict(pairs)
    assert std is None
    assert known.tolist() == [True, False, False]
    mean = np.mean([predictions(folder, pairs) for folder in runs], 0)
    assert predicted == approx(mean, abs=1e-5)


# What it reports.


def test_the_figures_agree_with_numpy_sums_over_the_validation_ratings(tmp_path, demo, runs):
    result = combine_runs(runs, tmp_path / "a", weighting="equal", device="cpu")
    part = split_ratings(demo, SPEC).validation
    errors = np.stack([predictions(folder, pairs_of(part)) for folder in runs], 1)
    errors -= part.rating[:, None]
    rmse = np.sqrt(np.square(errors).mean(0))
    assert [member["val_rmse"] for member in result["members"]] == approx(rmse, rel=1e-5)
    assert [member["weight"] for member in result["members"]] == [0.25] * 4
    assert [member["architecture"] for member in result["members"]] == list(NAMES)
    combined = np.sqrt(np.square(errors.mean(1)).mean())
    assert result["val_rmse"] == result["equal_val_rmse"] == approx(combined, rel=1e-5)
    assert result["best_member"] == str(runs[int(rmse.argmin())])
    assert result["gain"]["rmse"] == approx(rmse.min() - combined, abs=1e-6)
    own = Run.load(runs[1], "cpu").experiment.metrics["val_rmse"]
    assert result["members"][1]["val_rmse"] == approx(own, rel=1e-5)


def test_a_greedy_ensemble_reports_the_cross_fitted_figure(tmp_path, runs):
    result = combine_runs(runs, tmp_path / "a", device="cpu")
    assert result["val_rmse"] == result["greedy_val_rmse"] >= result["in_sample_val_rmse"]
    evaluated = Run.load(tmp_path / "a", "cpu").evaluate("validation")
    assert evaluated["rmse"] == approx(result["in_sample_val_rmse"], rel=1e-5)
    assert evaluated["weights_fitted_on_split"] is True
    assert evaluated["cross_fitted_rmse"] == result["val_rmse"]


def test_no_figure_of_equal_weights_or_of_the_test_split_is_flattered(tmp_path, runs):
    combine_runs(runs, tmp_path / "a", weighting="equal", device="cpu")
    combine_runs(runs, tmp_path / "b", device="cpu")
    evaluated = (
        Run.load(tmp_path / "a", "cpu").evaluate("validation"),
        Run.load(tmp_path / "b", "cpu").evaluate("test"),
        Run.load(runs[0], "cpu").evaluate("validation"),
    )
    assert [each["weights_fitted_on_split"] for each in evaluated] == [False] * 3


def test_a_member_of_noise_gets_no_weight_and_is_left_out(tmp_path, runs, small_config):
    wild = small_config("mf", max_epochs=1, init_std=3.0, seed=1)
    train_run(Experiment(config=wild, dataset="demo", split=SPEC), tmp_path / "noise", device="cpu")
    result = combine_runs([tmp_path / "noise", runs[0]], tmp_path / "a", device="cpu")
    assert [member["weight"] for member in result["members"]] == [0, 1]
    config = read_experiment(tmp_path / "a" / "config.yaml").config
    assert [member.run for member in config.members] == [str(runs[0])]


def test_the_test_split_stays_sealed(tmp_path, runs, monkeypatch):
    monkeypatch.setattr("recsys_search.model.runs.run.open_test", pytest.fail)
    combine_runs(runs, tmp_path / "a", device="cpu")


# Its config.


def test_the_config_describes_the_members(tmp_path, demo, runs):
    result = combine_runs(runs, tmp_path / "a", device="cpu")
    kept = read_experiment(tmp_path / "a" / "config.yaml")
    assert isinstance(kept.config, EnsembleConfig)
    used = [member for member in result["members"] if member["weight"]]
    assert [member.weight for member in kept.config.members] == [each["weight"] for each in used]
    for member in kept.config.members:
        folder = next(each for each in runs if str(each) == member.run)
        assert member.config == read_experiment(folder / "config.yaml").config
    assert (kept.fingerprint, kept.split) == (demo.fingerprint, SPEC)
    assert kept.metrics["val_rmse"] == result["val_rmse"]


def test_edited_weights_are_used_and_drop_the_figures(tmp_path, demo, runs):
    combine_runs(runs[:2], tmp_path / "a", weighting="equal", device="cpu")
    path = tmp_path / "a" / "config.yaml"
    for weight in ("0.9", "0.1"):
        path.write_text(path.read_text().replace("weight: 0.5", f"weight: {weight}", 1))
    assert read_experiment(path).metrics == {}
    pairs = pairs_of(demo)
    one, two = (predictions(folder, pairs) for folder in runs[:2])
    assert predictions(tmp_path / "a", pairs) == approx(0.9 * one + 0.1 * two, abs=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("weight: 0.5", "weight: 0.6", r"config: weights must sum to 1, got 1.1"),
        ("weight: 0.5", "weight: -1", r"line 7: config: .*weight must be greater than 0, got -1"),
        ("latent_dim: 4", "latent_dam: 4", r"config: two_tower has no field named 'latent_dam'"),
        ("weighting: equal", "weighting: odd", r"line 4: config: weighting must be 'equal' or"),
    ],
)
def test_an_invalid_config_is_refused_with_its_line(tmp_path, runs, old, new, message):
    combine_runs(runs[:2], tmp_path / "a", weighting="equal", device="cpu")
    path = tmp_path / "a" / "config.yaml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        Run.load(tmp_path / "a", "cpu")


def test_an_ensemble_is_not_trained(tmp_path, runs):
    combine_runs(runs, tmp_path / "a", device="cpu")
    with pytest.raises(OptionError, match=r"config\.yaml describes an ensemble, which is not"):
        plan_experiment(tmp_path / "a" / "config.yaml", None)


# Refused.


def refusal(folders, out):
    with pytest.raises((RunError, OptionError)) as caught:
        combine_runs(folders, out, device="cpu")
    assert not out.exists()
    return str(caught.value)


def changed(folder, copy, **values):
    """A copy of a run that says something else about itself."""
    shutil.copytree(folder, copy)
    path = copy / "config.yaml"
    write_experiment(path, replace(read_experiment(path), **values))
    return copy


def test_a_run_of_another_split_is_named(tmp_path, runs):
    other = changed(runs[1], tmp_path / "other", split=SplitSpec(seed=4))
    assert refusal([runs[0], other], tmp_path / "a") == (
        f"{other} was trained on another split than {runs[0]} (seed 4, not 3): its train ratings "
        "would be among those that the ensemble is validated on; combine runs of the same split"
    )


def test_a_run_of_other_ratings_is_named(tmp_path, demo, runs):
    other = changed(runs[1], tmp_path / "other", fingerprint="0123456789abcdef")
    assert refusal([runs[0], runs[2], other], tmp_path / "a") == (
        f"{other} was trained on other ratings (fingerprint 0123456789abcdef) than {runs[0]} "
        f"({demo.fingerprint}); combine runs of the same ratings"
    )


def test_a_refit_is_named(tmp_path, runs):
    other = changed(runs[1], tmp_path / "other", refit_epochs=2)
    assert refusal([runs[0], other], tmp_path / "a").startswith(f"{other} is a refit, which has no")


def test_an_ensemble_is_no_member_of_another(tmp_path, runs):
    combine_runs(runs[:2], tmp_path / "b", weighting="equal", device="cpu")
    assert refusal([tmp_path / "b", runs[2]], tmp_path / "a") == (
        f"{tmp_path / 'b'} is an ensemble; name its members instead: {runs[0]}, {runs[1]}"
    )


def test_one_run_is_refused(tmp_path, runs):
    assert refusal(runs[:1], tmp_path / "a") == "an ensemble needs at least two runs, got 1"


def test_a_run_that_is_named_twice_is_refused(tmp_path, runs):
    again = runs[0].parent / "mf" / ".." / runs[0].name
    assert (
        refusal([runs[0], again], tmp_path / "a") == f"{again} is named twice; name each run once"
    )


def test_an_existing_folder_is_refused(tmp_path, runs):
    (tmp_path / "a").mkdir()
    with pytest.raises(RunError, match="already exists; choose another --out, or remove it"):
        combine_runs(runs, tmp_path / "a", device="cpu")
