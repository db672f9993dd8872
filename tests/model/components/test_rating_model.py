"""Predictions of any architecture, for users and films known and unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pytest import approx
from recsys_search.model.architectures.models import build_model, count_parameters
from recsys_search.model.architectures.table import architecture_names
from recsys_search.model.components.rating_model import EVAL_BATCH
from recsys_search.model.store.bias_fit import Biases
from recsys_search.model.store.train_store import Pairs

ARCHITECTURES = architecture_names()
BEYOND_BIASES = [name for name in ARCHITECTURES if name != "biases"]
"""The biases know what they predict for the unknown: see test_baselines.py."""


def pairs_of(store, asked):
    user, film = torch.tensor(asked).T
    return Pairs(user, film, None, store.rows_of(user, film))


@pytest.mark.parametrize("architecture", BEYOND_BIASES)
def test_the_unknown_get_the_bias_prediction(few, small_config, lively, architecture):
    """Of indices the dataset does not hold, and of users and films without train ratings."""
    model = lively(small_config(architecture), few)
    asked = [(-1, 0), (0, -1), (-1, -1), (1, 0), (0, 2), (1, 2)]
    predicted = model.predict(pairs_of(few, asked))
    mean, user, film = few.biases.mean, few.biases.user, few.biases.film
    expected = [mean + film[0], mean + user[0], mean, mean + film[0], mean + user[0], mean]
    assert predicted.tolist() == approx([float(value) for value in expected], abs=1e-6)


@pytest.mark.parametrize("architecture", BEYOND_BIASES)
def test_a_bias_prediction_is_clipped_to_the_scale(few, small_config, lively, architecture):
    store = replace(few, biases=Biases(torch.tensor(9.0), torch.zeros(4), torch.zeros(5)))
    predicted = lively(small_config(architecture), store).predict(pairs_of(store, [(-1, 0)]))
    assert predicted.tolist() == [5.0]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_known_get_the_models_prediction(few, small_config, lively, architecture):
    model = lively(small_config(architecture), few)
    pairs = pairs_of(few, [(0, 0), (2, 4)])
    with torch.no_grad():
        output = model(pairs, model.encode_store())
    assert torch.equal(model.predict(pairs), output.prediction.clamp(0.5, 5.0))
    biases = few.biases.predict(pairs.user, pairs.film)
    assert ((output.prediction - biases).abs() > 0.01).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_predictions_come_in_the_order_of_their_pairs(
    few, small_config, lively, monkeypatch, architecture
):
    """Also where they take several batches, here of two."""
    model = lively(small_config(architecture), few)
    asked = [(user, film) for user in (3, -1, 0, 1, 2) for film in (2, 0, -1, 3, 1)]
    one_by_one = torch.cat([model.predict(pairs_of(few, [pair])) for pair in asked])
    monkeypatch.setitem(EVAL_BATCH, "cpu", 2)
    torch.testing.assert_close(model.predict(pairs_of(few, asked)), one_by_one)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_prediction_does_not_depend_on_what_else_is_asked(
    few, small_config, lively, architecture
):
    model = lively(small_config(architecture), few)
    together = model.predict(few.pairs(torch.arange(9)))
    alone = torch.cat([model.predict(few.pairs(torch.tensor([row]))) for row in range(9)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_expected_rating_repeats_to_the_bit(few, small_config, lively, architecture):
    """There is no noise in eval mode, and `predict` turns it on."""
    model = lively(small_config(architecture), few).train()
    pairs = few.pairs(torch.arange(9))
    first = model.predict(pairs)
    torch.rand(3)
    assert torch.equal(first, model.predict(pairs))


def test_nothing_asked_nothing_told(few, small_config, lively):
    none = few.pairs(torch.arange(0))
    assert lively(small_config(), few).predict(none).shape == (0,)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_predicting_needs_no_gradient(few, small_config, lively, architecture):
    model = lively(small_config(architecture), few)
    assert not model.predict(few.pairs(torch.arange(9))).requires_grad


def test_parameters_are_counted(few, small_config):
    """Four tables and two logvar layers of 3 columns, and the biases."""
    model = build_model(small_config("two_tower", latent_dim=3), few)
    assert count_parameters(model) == 2 * (4 + 5) * 3 + 2 * (3 * 3 + 3) + (4 + 5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_weights_hold_nothing_of_the_store(few, small_config, architecture):
    """A weight file must fit a model built elsewhere: no train rating travels with it."""
    model = build_model(small_config(architecture), few)
    saved = set(model.state_dict())
    assert saved - {name for name, _ in model.named_parameters()} <= {
        *("heads.0.mean", "bias.mean"),
        *(name for name in saved if "running_" in name or "num_batches" in name),
    }
