"""The baselines, compared to answers by hand, and as runs."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from pytest import approx
from recsys_search.commands.terminal.trials.epochs import epoch_line
from recsys_search.data.formats.pairs import UserFilmPairs
from recsys_search.data.sets.registry import DATASETS
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.architectures.models import build_model, count_parameters
from recsys_search.model.runs.experiment import Experiment, read_experiment, write_experiment
from recsys_search.model.runs.run import Run
from recsys_search.model.runs.train_run import train_run
from recsys_search.model.store.train_store import Pairs, TrainStore
from recsys_search.model.training.training import Training

from ..conftest import CPU, make_ratings


def pairs_of(*pairs):
    user, film = torch.tensor(pairs).T
    return Pairs(user, film, None, torch.full_like(user, -1))


def fitted(config, store):
    """Biases after their only epoch."""
    model = build_model(config, store)
    model.refresh()
    return model


@pytest.fixture
def two():
    """Ratings of 5 and 1 without a common user or film; user 2 and film 2 have no rating."""
    ratings = make_ratings([(0, 0, 5.0, 0), (1, 1, 1.0, 0)], n_users=3, n_films=3)
    return TrainStore.build(ratings, CPU)


# Biases.


def test_biases_follow_the_shrinkage_of_the_config(two):
    """Mean 3; 4 b_i + b_u = 2 and b_i + 2 b_u = 2 give b_i = 2/7 and b_u = 6/7."""
    model = fitted(build_config("biases", user_shrinkage=1.0, film_shrinkage=3.0), two)
    assert float(model.mean) == 3
    assert model.film.tolist() == approx([2 / 7, -2 / 7, 0], abs=1e-6)
    assert model.user.tolist() == approx([6 / 7, -6 / 7, 0], abs=1e-6)
    assert model.predict(pairs_of((0, 0), (0, 1))).tolist() == approx([3 + 8 / 7, 3 + 4 / 7])


def test_unknown_pairs_get_the_known_bias(two):
    """With the config's shrinkage; with the baseline's, the user's bias would be 6/23."""
    model = fitted(build_config("biases", user_shrinkage=1.0, film_shrinkage=3.0), two)
    pairs = pairs_of((0, -1), (0, 2), (-1, 0), (2, 0), (-1, -1))
    expected = [3 + 6 / 7, 3 + 6 / 7, 3 + 2 / 7, 3 + 2 / 7, 3]
    assert model.predict(pairs).tolist() == approx(expected)


def test_the_defaults_are_the_baseline_of_every_run(split, small_config):
    with Training(small_config("biases"), split, "cpu") as run:
        [report] = run
        store = run._store
        pairs = store.held_out(split.validation)
        baseline = store.biases.predict(pairs.user, pairs.film).clamp(*store.scale)
        assert torch.equal(run._model.predict(pairs), baseline)
    assert report.val_rmse == approx(run.bias_val_rmse, rel=1e-6)


def test_the_baseline_of_a_run_does_not_depend_on_its_shrinkage(split, small_config):
    with Training(small_config("biases"), split, "cpu") as run:
        expected = run.bias_val_rmse
    with Training(small_config("biases", user_shrinkage=50.0), split, "cpu") as run:
        [report] = run
    assert run.bias_val_rmse == expected != approx(report.val_rmse, abs=1e-4)


def test_biases_take_one_epoch_and_no_step(split, small_config):
    with Training(small_config("biases"), split, "cpu") as run:
        [report] = run
        assert run.n_parameters == 1 + split.train.n_users + split.train.n_films
        store = run._store
        error = run._model.predict(store.pairs(torch.arange(len(store)))) - store.rating
    assert report.train_loss == approx(float(error.double().square().mean()), rel=1e-6)
    assert report.val_loss == approx(report.val_mse, rel=1e-6)
    assert (report.kl, report.kl_clamped, report.beta) == (0, 0, 0)
    assert (report.learning_rate, report.grad_norm) == (0, 0)
    assert (report.active_units, report.eval_kl, report.shuffle_cost) == ({}, {}, {})
    assert run.best.report == report
    assert not run.ended_by_patience


def test_all_users_rank_the_films_by_their_biases(two, small_config):
    [scores] = fitted(small_config("biases"), two).score_catalogue(torch.tensor([0, 1, -1]))
    assert scores.argsort(descending=True).tolist() == [[0, 2, 1]] * 3


# Matrix factorisation.


@pytest.fixture
def factorised(tiny_store, small_config):
    """b_u = 0.5 and p_u = (1, 2) of user 0, b_i = -0.25 and q_i = (0.5, 0.25) of film 1; else 0."""
    model = build_model(small_config("mf", n_factors=2, l2=0.1), tiny_store)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.bias.user.weight[0] = 0.5
        model.bias.film.weight[1] = -0.25
        model.user.weight[0] = torch.tensor([1.0, 2.0])
        model.film.weight[1] = torch.tensor([0.5, 0.25])
    return model


def test_a_prediction_is_mean_plus_biases_plus_the_product_of_two_vectors(factorised, tiny_store):
    expected = [
        tiny_store.mean + 0.5 - 0.25 + (0.5 + 0.5),
        tiny_store.mean + 0.5,
        tiny_store.mean - 0.25,
    ]
    assert factorised.predict(pairs_of((0, 1), (0, 0), (3, 1))).tolist() == approx(expected)


def test_the_penalty_is_the_mean_of_the_squared_lengths_of_both_vectors(factorised):
    """5 + 0.3125 for the first pair, 5 for the second; the biases are not penalised."""
    output = factorised(pairs_of((0, 1), (0, 0)), None)
    assert float(output.penalty.detach()) == approx(0.1 * (5.3125 + 5) / 2)
    assert output.posteriors == {}


def test_the_penalty_shortens_the_vectors(split, small_config):
    lengths = []
    for l2 in (0.0, 1.0):
        config = small_config("mf", max_epochs=20, learning_rate=0.05, l2=l2)
        with Training(config, split, "cpu") as run:
            list(run)
            lengths.append(float(run._model.user.weight.detach().norm()))
    assert lengths[1] < 0.5 * lengths[0]


def test_the_training_loss_is_mse_plus_penalty(split, small_config):
    """One step over all rows; before it, each prediction is nearly the mean."""
    config = small_config("mf", max_epochs=1, batch_size=480, learning_rate=1e-30, init_std=1e-3)
    rating = torch.from_numpy(split.train.rating)
    losses = []
    for l2 in (0.0, 1000.0):
        with Training(replace(config, l2=l2), split, "cpu") as run:
            [report] = run
            model, store = run._model, run._store
            vectors = torch.cat([model.user.weight[store.user], model.film.weight[store.film]])
            squares = float(vectors.detach().square().sum()) / 480
        losses.append(report.train_loss)
    assert losses[0] == approx(float(rating.var(correction=0)), rel=1e-4)
    assert losses[1] - losses[0] == approx(1000 * squares, rel=1e-3)


def test_a_train_rating_is_predicted_like_any_other_pair(split, small_config, perturbed_model):
    """No rating is left out, so errors on train ratings are in-sample."""
    store = TrainStore.build(split.train, CPU)
    model = perturbed_model(small_config("mf"), store)
    pairs = store.pairs(torch.arange(len(store)))
    as_held_out = replace(pairs, row=torch.full_like(pairs.row, -1))
    assert torch.equal(model.predict(pairs), model.predict(as_held_out))


def test_its_parameters_are_counted(tiny_store, small_config):
    model = build_model(small_config("mf", n_factors=3), tiny_store)
    assert count_parameters(model) == (4 + 5) * (3 + 1)


# As runs.


@pytest.fixture
def small_demo(monkeypatch, demo):
    """The demo dataset, replaced by one of 600 ratings."""
    monkeypatch.setitem(DATASETS, "demo", lambda: demo)


@pytest.mark.usefixtures("small_demo")
def test_a_run_of_biases_is_loaded_and_not_fitted_again(tmp_path, demo, small_config):
    """Not even if its config has another shrinkage by then."""
    experiment = Experiment(config=small_config("biases"), dataset="demo", split=SplitSpec())
    train_run(experiment, tmp_path / "a", device="cpu")
    rows = np.arange(50)
    pairs = UserFilmPairs(demo.user_ids[demo.user[rows]], demo.films.ids[demo.film[rows]], None)
    predicted, known, std = Run.load(tmp_path / "a", "cpu").predict(pairs)
    assert std is None
    path = tmp_path / "a" / "config.yaml"
    other = small_config("biases", user_shrinkage=500.0)
    write_experiment(path, replace(read_experiment(path), config=other))
    again = Run.load(tmp_path / "a", "cpu").predict(pairs).rating
    assert known.any() and (again == predicted).all()


def test_an_epoch_line_of_a_model_without_latents_shows_none(split, small_config):
    lines = {}
    for architecture in ("two_tower", "mf"):
        config = small_config(architecture, max_epochs=1)
        with Training(config, split, "cpu") as run:
            [report] = run
        lines[architecture] = epoch_line(config, report)
    head, tail = r"epoch   1/1  val_rmse \d\.\d{4}  train_rmse \d\.\d{4}  ", r"\d+\.\d s"
    assert re.fullmatch(head + tail, lines["mf"])
    latents = r"kl \d+\.\d  active units user \d, film \d  "
    assert re.fullmatch(head + latents + tail, lines["two_tower"])
