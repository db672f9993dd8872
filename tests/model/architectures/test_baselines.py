"""The baselines, by hand, and as runs."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from pytest import approx
from recsys_search.commands.terminal.trials import epoch_line
from recsys_search.data.formats.pairs import AskedPairs
from recsys_search.data.sets.datasets import DATASETS
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.architectures.models import build_model, count_parameters
from recsys_search.model.runs.experiment import Experiment, read_experiment, write_experiment
from recsys_search.model.runs.run import Run
from recsys_search.model.runs.train_run import train_run
from recsys_search.model.store.train_store import Pairs, TrainStore
from recsys_search.model.training.training import Training

from ..conftest import CPU, make_ratings


def pairs_of(*asked):
    user, film = torch.tensor(asked).T
    return Pairs(user, film, None, torch.full_like(user, -1))


def fitted(config, store):
    """Biases after the one epoch that they take."""
    model = build_model(config, store)
    model.refresh()
    return model


@pytest.fixture
def two():
    """Ratings of 5 and 1, no user or film in common; user 2 and film 2 have none."""
    ratings = make_ratings([(0, 0, 5.0, 0), (1, 1, 1.0, 0)], n_users=3, n_films=3)
    return TrainStore.build(ratings, CPU)


# Biases.


def test_biases_are_those_of_the_configs_shrinkage(two):
    """Mean 3; 4 b_i + b_u = 2 and b_i + 2 b_u = 2 give b_i = 2/7 and b_u = 6/7."""
    model = fitted(build_config("biases", user_shrinkage=1.0, film_shrinkage=3.0), two)
    assert float(model.mean) == 3
    assert model.film.tolist() == approx([2 / 7, -2 / 7, 0], abs=1e-6)
    assert model.user.tolist() == approx([6 / 7, -6 / 7, 0], abs=1e-6)
    assert model.predict(pairs_of((0, 0), (0, 1))).tolist() == approx([3 + 8 / 7, 3 + 4 / 7])


def test_the_unknown_get_what_is_known_of_their_pair(two):
    """By the config's own shrinkage; with the baseline's, the user's bias would be 6/23."""
    model = fitted(build_config("biases", user_shrinkage=1.0, film_shrinkage=3.0), two)
    asked = pairs_of((0, -1), (0, 2), (-1, 0), (2, 0), (-1, -1))
    expected = [3 + 6 / 7, 3 + 6 / 7, 3 + 2 / 7, 3 + 2 / 7, 3]
    assert model.predict(asked).tolist() == approx(expected)


def test_the_defaults_are_the_baseline_beside_every_result(split, small_config):
    with Training(small_config("biases"), split, "cpu") as run:
        [report] = run
        store = run._store
        pairs = store.held_out(split.validation)
        baseline = store.biases.predict(pairs.user, pairs.film).clamp(*store.scale)
        assert torch.equal(run._model.predict(pairs), baseline)
    assert report.val_rmse == approx(run.bias_val_rmse, rel=1e-6)


def test_the_shown_baseline_does_not_follow_a_runs_shrinkage(split, small_config):
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
    assert report.val_loss == report.val_mse
    assert (report.kl, report.kl_clamped, report.beta) == (0, 0, 0)
    assert (report.learning_rate, report.grad_norm) == (0, 0)
    assert (report.active_units, report.eval_kl, report.shuffle_cost) == ({}, {}, {})
    assert run.best.report == report
    assert not run.ended_by_patience


def test_all_users_have_the_films_in_the_order_of_the_biases(two, small_config):
    [scores] = fitted(small_config("biases"), two).score_catalogue(torch.tensor([0, 1, -1]))
    assert scores.argsort(descending=True).tolist() == [[0, 2, 1]] * 3


# Matrix factorisation.


@pytest.fixture
def factorised(few, small_config):
    """b_u = 0.5 and p_u = (1, 2) of user 0, b_i = -0.25 and q_i = (0.5, 0.25) of film 1; else 0."""
    model = build_model(small_config("mf", n_factors=2, l2=0.1), few)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.bias.user.weight[0] = 0.5
        model.bias.film.weight[1] = -0.25
        model.user.weight[0] = torch.tensor([1.0, 2.0])
        model.film.weight[1] = torch.tensor([0.5, 0.25])
    return model


def test_a_rating_is_mean_and_biases_and_the_product_of_two_vectors(factorised, few):
    expected = [few.mean + 0.5 - 0.25 + (0.5 + 0.5), few.mean + 0.5, few.mean - 0.25]
    assert factorised.predict(pairs_of((0, 1), (0, 0), (3, 1))).tolist() == approx(expected)


def test_the_penalty_is_the_mean_of_both_vectors_squared_lengths(factorised):
    """5 + 0.3125 of the first pair, 5 of the second; the biases cost nothing."""
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
    """One step over all rows, before which each prediction is nearly the mean."""
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


def test_a_train_rating_is_predicted_as_any_other_pair(split, small_config, lively):
    """There are no sums to leave it out of: figures on train ratings are in-sample."""
    store = TrainStore.build(split.train, CPU)
    model = lively(small_config("mf"), store)
    pairs = store.pairs(torch.arange(len(store)))
    as_unseen = replace(pairs, row=torch.full_like(pairs.row, -1))
    assert torch.equal(model.predict(pairs), model.predict(as_unseen))


def test_its_parameters_are_counted(few, small_config):
    model = build_model(small_config("mf", n_factors=3), few)
    assert count_parameters(model) == (4 + 5) * (3 + 1)


# As runs.


@pytest.fixture
def small_demo(monkeypatch, demo):
    """The demo dataset is one of 600 ratings."""
    monkeypatch.setitem(DATASETS, "demo", lambda: demo)


@pytest.mark.usefixtures("small_demo")
def test_a_run_of_biases_is_loaded_and_not_fitted_again(tmp_path, demo, small_config):
    """Not even where its config has come to say another shrinkage."""
    experiment = Experiment(config=small_config("biases"), dataset="demo", split=SplitSpec())
    train_run(experiment, tmp_path / "a", device="cpu")
    rows = np.arange(50)
    asked = AskedPairs(demo.user_ids[demo.user[rows]], demo.films.ids[demo.film[rows]], None)
    predicted, known = Run.load(tmp_path / "a", "cpu").predict(asked)
    path = tmp_path / "a" / "config.yaml"
    other = small_config("biases", user_shrinkage=500.0)
    write_experiment(path, replace(read_experiment(path), config=other))
    again, _ = Run.load(tmp_path / "a", "cpu").predict(asked)
    assert known.any() and (again == predicted).all()


def test_an_epochs_line_has_no_latents_where_there_are_none(split, small_config):
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
