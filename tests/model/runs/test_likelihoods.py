"""Runs of every likelihood: trained, saved, evaluated, combined, refitted."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

import numpy as np
import pytest
from pytest import approx
from recsys_search.data.formats.pairs import UserFilmPairs
from recsys_search.data.ratings import Scale
from recsys_search.data.sets.registry import DATASETS
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.errors import ConfigError
from recsys_search.model.components.likelihoods.table import LIKELIHOODS
from recsys_search.model.ensembles.combine import combine_runs
from recsys_search.model.runs.experiment import Experiment
from recsys_search.model.runs.run import Run
from recsys_search.model.runs.train_run import train_run

SPEC = SplitSpec(seed=3)
LEARNED = ["gaussian", "ordinal"]


@pytest.fixture(autouse=True)
def small_demo(monkeypatch, demo):
    """The demo dataset is one of 600 ratings."""
    monkeypatch.setitem(DATASETS, "demo", lambda: demo)


@pytest.fixture
def train(tmp_path, small_config):
    """Trains a run and returns its folder."""

    def run(name, architecture="two_tower", refit_epochs=None, **values):
        config = small_config(architecture, max_epochs=3, **values)
        experiment = Experiment(
            config=config, dataset="demo", split=SPEC, refit_epochs=refit_epochs
        )
        train_run(experiment, tmp_path / name, device="cpu")
        return tmp_path / name

    return run


def pairs_of(ratings):
    return UserFilmPairs(ratings.user_ids[ratings.user], ratings.films.ids[ratings.film], None)


def test_a_config_can_name_every_likelihood(small_config):
    for name in LIKELIHOODS:
        assert small_config(likelihood=name).likelihood == name
    with pytest.raises(ConfigError, match="likelihood must be 'mse', 'gaussian' or 'ordinal'"):
        small_config(likelihood="poisson")


@pytest.mark.parametrize("architecture", ["two_tower", "hybrid"])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_it_is_evaluated_as_in_training(train, architecture, likelihood):
    folder = train("a", architecture, likelihood=likelihood)
    run = Run.load(folder, "cpu")
    figures = run.evaluate("validation")
    assert figures["rmse"] == approx(run.experiment.metrics["val_rmse"], abs=1e-6)
    if likelihood == "mse" and architecture == "hybrid":  # fitted to each train rating
        assert figures["nll"] is figures["coverage_80"] is None
    else:
        assert 0 < figures["nll"] < 5
        assert 0 < figures["coverage_50"] < figures["coverage_80"] < figures["coverage_95"] <= 1


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_predictions_are_on_the_scale_and_have_a_standard_deviation(train, demo, likelihood):
    predicted = Run.load(train("a", likelihood=likelihood), "cpu").predict(pairs_of(demo))
    assert ((predicted.rating >= 0.5) & (predicted.rating <= 5)).all()
    if likelihood == "mse":
        assert predicted.std is None
    else:
        assert len(predicted.std) == len(demo)
        assert ((predicted.std > 0.1) & (predicted.std < 2.3)).all()


def test_an_ensemble_of_several_likelihoods_averages_expected_ratings(train, tmp_path, demo):
    folders = [train(name, likelihood=name) for name in LIKELIHOODS]
    combine_runs(folders, tmp_path / "all", weighting="equal", device="cpu")
    pairs = pairs_of(demo)
    members = [Run.load(folder, "cpu").predict(pairs) for folder in folders]
    ensemble = Run.load(tmp_path / "all", "cpu")
    mean = np.mean([member.rating for member in members], 0)
    assert ensemble.predict(pairs).rating == approx(mean, abs=1e-5)
    assert ensemble.predict(pairs).std is None  # that of a member is not known
    assert isfinite(ensemble.evaluate("validation")["nll"])


def test_an_ensembles_variance_is_the_mean_one_plus_that_of_the_means(train, tmp_path, demo):
    folders = [train(name, likelihood=name) for name in LEARNED]
    combine_runs(folders, tmp_path / "all", weighting="equal", device="cpu")
    pairs = pairs_of(demo)
    one, other = (Run.load(folder, "cpu").predict(pairs) for folder in folders)
    variance = (one.std**2 + other.std**2) / 2 + ((one.rating - other.rating) / 2) ** 2
    assert Run.load(tmp_path / "all", "cpu").predict(pairs).std ** 2 == approx(variance, abs=1e-5)


@pytest.mark.parametrize("likelihood", LEARNED)
def test_it_can_be_refitted(train, likelihood):
    folder = train("a", likelihood=likelihood, refit_epochs=2)
    figures = Run.load(folder, "cpu").evaluate("test")
    assert figures["refit_epochs"] == 2
    assert 0 < figures["nll"] < 5
    assert 0 < figures["coverage_50"] < figures["coverage_95"] <= 1


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_it_works_on_a_scale_to_a_hundred(train, monkeypatch, demo, likelihood):
    """Expected ratings are on the scale, and standard deviations are in its unit."""
    rating = (20 * demo.rating).astype(np.float32)
    large = replace(demo, rating=rating, scale=Scale(0.0, 100.0), expected=20 * demo.expected)
    monkeypatch.setitem(DATASETS, "demo", lambda: large)
    run = Run.load(train("a", likelihood=likelihood), "cpu")
    predicted = run.predict(pairs_of(large))
    assert ((predicted.rating >= 0) & (predicted.rating <= 100)).all()
    assert 5 < run.evaluate("validation")["rmse"] < 40
    if predicted.std is not None:
        assert 5 < predicted.std.mean() < 40


def test_ordinal_refuses_ratings_with_too_many_levels(train, monkeypatch, demo):
    rating = demo.rating + np.linspace(0, 0.1, len(demo), dtype=np.float32)
    monkeypatch.setitem(DATASETS, "demo", lambda: replace(demo, rating=rating))
    with pytest.raises(ConfigError, match="needs 2 to 50 distinct ratings, but the train rat"):
        train("a", likelihood="ordinal")
