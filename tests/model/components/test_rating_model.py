"""Predictions of every architecture, for known and unknown users and films."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pytest import approx
from recsys_search.model.architectures.models import build_model, count_parameters
from recsys_search.model.architectures.table import architecture_names
from recsys_search.model.components import forecast
from recsys_search.model.components.rating_model import EVAL_BATCH_SIZE
from recsys_search.model.store.bias_fit import Biases
from recsys_search.model.store.train_store import Pairs

ARCHITECTURES = architecture_names()
BEYOND_BIASES = [name for name in ARCHITECTURES if name != "biases"]
"""The biases have a fallback of their own: see test_baselines.py."""


def pairs_of(store, requested):
    user, film = torch.tensor(requested).T
    return Pairs(user, film, None, store.rows_of(user, film))


@pytest.mark.parametrize("architecture", BEYOND_BIASES)
def test_unknown_pairs_get_the_bias_prediction(
    tiny_store, small_config, perturbed_model, architecture
):
    """Indices that are not in the dataset, and users and films without train ratings."""
    model = perturbed_model(small_config(architecture), tiny_store)
    requested = [(-1, 0), (0, -1), (-1, -1), (1, 0), (0, 2), (1, 2)]
    predicted = model.predict(pairs_of(tiny_store, requested))
    mean, user, film = tiny_store.biases.mean, tiny_store.biases.user, tiny_store.biases.film
    expected = [mean + film[0], mean + user[0], mean, mean + film[0], mean + user[0], mean]
    assert predicted.tolist() == approx([float(value) for value in expected], abs=1e-6)


@pytest.mark.parametrize("architecture", BEYOND_BIASES)
def test_a_bias_prediction_is_clipped_to_the_scale(
    tiny_store, small_config, perturbed_model, architecture
):
    store = replace(tiny_store, biases=Biases(torch.tensor(9.0), torch.zeros(4), torch.zeros(5)))
    predicted = perturbed_model(small_config(architecture), store).predict(
        pairs_of(store, [(-1, 0)])
    )
    assert predicted.tolist() == [5.0]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_known_pairs_get_the_prediction_of_the_model(
    tiny_store, small_config, perturbed_model, architecture
):
    model = perturbed_model(small_config(architecture), tiny_store)
    pairs = pairs_of(tiny_store, [(0, 0), (2, 4)])
    with torch.no_grad():
        output = model(pairs, model.encode_store())
    assert torch.equal(model.predict(pairs), output.prediction.clamp(0.5, 5.0))
    biases = tiny_store.biases.predict(pairs.user, pairs.film)
    assert ((output.prediction - biases).abs() > 0.01).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_predictions_are_in_the_order_of_the_pairs(
    tiny_store, small_config, perturbed_model, monkeypatch, architecture
):
    """Also over several batches, here of two pairs."""
    model = perturbed_model(small_config(architecture), tiny_store)
    requested = [(user, film) for user in (3, -1, 0, 1, 2) for film in (2, 0, -1, 3, 1)]
    one_by_one = torch.cat([model.predict(pairs_of(tiny_store, [pair])) for pair in requested])
    monkeypatch.setitem(EVAL_BATCH_SIZE, "cpu", 2)
    torch.testing.assert_close(model.predict(pairs_of(tiny_store, requested)), one_by_one)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_prediction_does_not_depend_on_the_other_pairs(
    tiny_store, small_config, perturbed_model, architecture
):
    model = perturbed_model(small_config(architecture), tiny_store)
    together = model.predict(tiny_store.pairs(torch.arange(9)))
    alone = torch.cat([model.predict(tiny_store.pairs(torch.tensor([row]))) for row in range(9)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_expected_rating_repeats_to_the_bit(
    tiny_store, small_config, perturbed_model, architecture
):
    """`predict` switches to eval mode, which has no noise."""
    model = perturbed_model(small_config(architecture), tiny_store).train()
    pairs = tiny_store.pairs(torch.arange(9))
    first = model.predict(pairs)
    torch.rand(3)
    assert torch.equal(first, model.predict(pairs))


def test_no_pairs_have_no_predictions(tiny_store, small_config, perturbed_model):
    none = tiny_store.pairs(torch.arange(0))
    assert perturbed_model(small_config(), tiny_store).predict(none).shape == (0,)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_predicting_needs_no_gradient(tiny_store, small_config, perturbed_model, architecture):
    model = perturbed_model(small_config(architecture), tiny_store)
    assert not model.predict(tiny_store.pairs(torch.arange(9))).requires_grad


def test_parameters_are_counted(tiny_store, small_config):
    """Four tables and two logvar layers with 3 columns, and the biases."""
    model = build_model(small_config("two_tower", latent_dim=3), tiny_store)
    assert count_parameters(model) == 2 * (4 + 5) * 3 + 2 * (3 * 3 + 3) + (4 + 5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_weights_contain_nothing_of_the_store(tiny_store, small_config, architecture):
    """A weight file must fit a model built elsewhere, and must not contain train ratings."""
    model = build_model(small_config(architecture), tiny_store)
    saved = set(model.state_dict())
    assert saved - {name for name, _ in model.named_parameters()} <= {
        *("heads.0.mean", "bias.mean"),
        *(name for name in saved if "running_" in name or "num_batches" in name),
    }


def test_noise_is_measured_on_train_ratings_without_themselves(
    tiny_store, small_config, perturbed_model
):
    model = perturbed_model(small_config(), tiny_store)
    model.measure_noise()
    rows = torch.arange(len(tiny_store))
    error = model.predict(tiny_store.pairs(rows)) - tiny_store.rating
    assert model.likelihood.measured_std == approx(float(error.square().mean().sqrt()))
    pairs = pairs_of(tiny_store, [(0, 0)])
    probabilities = model.forecast(pairs).probabilities(
        torch.tensor([4.0]), tiny_store.rating.unique()
    )
    assert 0 < float(probabilities.log_mass.exp()) < 1


@pytest.mark.parametrize("architecture", ["hybrid", "mf", "biases"])
def test_the_noise_of_a_model_that_fits_each_train_rating_is_not_measured(
    tiny_store, small_config, perturbed_model, architecture
):
    model = perturbed_model(small_config(architecture), tiny_store)
    model.measure_noise()
    pairs = pairs_of(tiny_store, [(0, 0)])
    assert (
        model.forecast(pairs).probabilities(torch.tensor([4.0]), tiny_store.rating.unique()) is None
    )


def test_forecasts_of_many_pairs_are_made_in_batches(
    tiny_store, small_config, perturbed_model, monkeypatch
):
    model = perturbed_model(small_config(likelihood="ordinal"), tiny_store)
    pairs = tiny_store.pairs(torch.arange(len(tiny_store)))
    whole, levels = model.forecast(pairs), tiny_store.rating.unique()
    monkeypatch.setattr(forecast, "BATCH", 4)
    parts = model.forecast(pairs)
    assert parts.expected.tolist() == approx(whole.expected.tolist())
    assert parts.std().tolist() == approx(whole.std().tolist())
    probabilities = [
        each.probabilities(tiny_store.rating, levels).log_mass for each in (parts, whole)
    ]
    assert probabilities[0].tolist() == approx(probabilities[1].tolist())
