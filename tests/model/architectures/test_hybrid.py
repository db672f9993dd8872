"""The reference model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pytest import approx
from recsys_search.model.components.bias_head import BiasHead
from recsys_search.model.components.neighbours.features import WINDOW
from recsys_search.model.components.output import Posterior
from recsys_search.model.store.train_store import TrainStore
from torch import nn


def layers(mlp, kind):
    return [layer for layer in mlp if isinstance(layer, kind)]


def widths(mlp):
    return [(layer.in_features, layer.out_features) for layer in layers(mlp, nn.Linear)]


@pytest.fixture
def config(small_config):
    return small_config("hybrid", n_factors=5, hidden_dims=(8, 6), latent_dim=3, dropout=0.4)


@pytest.fixture
def store(split):
    return TrainStore.build(split.train, torch.device("cpu"))


def outputs(model, store):
    pairs = store.pairs(torch.arange(len(store)))
    with torch.no_grad():
        return pairs, model(pairs, model.encode_store())


@pytest.mark.parametrize("bias", [False, True])
def test_neighbours_residuals_are_those_of_its_own_predictions(
    store, config, perturbed_model, bias
):
    """In eval mode, without what the neighbours add themselves."""
    config = replace(config, bias=bias)
    model = perturbed_model(replace(config, neighbours="both"), store)
    model.train()
    model.renew()
    assert model.training
    without = perturbed_model(config, store)
    without.load_state_dict(
        {k: v for k, v in model.state_dict().items() if not k.startswith("neighbours.")}
    )
    pairs, output = outputs(without, store)
    residuals = model.neighbours.residuals
    assert residuals.of_targets(pairs).tolist() == approx(
        (store.rating - output.prediction).tolist(), abs=1e-5
    )
    window = model.neighbours._features._order.window(
        model.neighbours.scalars.by_user(pairs), pairs.timestamp, WINDOW
    )
    residual, cosine = residuals.of_neighbours(pairs, window)
    present, films = window.present[7], model.film.weight.detach()
    others = store.film[window.rows[7][present]]
    expected = torch.cosine_similarity(films[others], films[pairs.film[7]].unsqueeze(0))
    assert cosine[7][present].tolist() == approx(expected.tolist(), abs=1e-5)
    assert residual[7][present].tolist() == residuals.residual[window.rows[7][present]].tolist()
    assert not cosine[7][~present].any() and not residual[7][~present].any()


def test_the_decoder_mirrors_the_encoder(tiny_store, config, perturbed_model):
    model = perturbed_model(config, tiny_store)
    assert widths(model.encoder) == [(10, 8), (8, 6)]
    assert (model.mu.in_features, model.mu.out_features) == (6, 3)
    assert (model.logvar.in_features, model.logvar.out_features) == (6, 3)
    assert widths(model.decoder) == [(3, 6), (6, 8)]
    assert (model.rating.in_features, model.rating.out_features) == (8, 1)


def test_layers_have_the_order_of_the_reference(tiny_store, config, perturbed_model):
    model = perturbed_model(config, tiny_store)
    names = [type(layer).__name__ for layer in model.encoder[:5]]
    assert names == ["Linear", "BatchNorm1d", "LayerNorm", "GELU", "Dropout"]
    names = [type(layer).__name__ for layer in model.decoder[:4]]
    assert names == ["Linear", "LayerNorm", "GELU", "Dropout"]


def test_the_decoder_has_half_the_dropout(tiny_store, config, perturbed_model):
    model = perturbed_model(config, tiny_store)
    assert [layer.p for layer in layers(model.encoder, nn.Dropout)] == [0.4, 0.4]
    assert [layer.p for layer in layers(model.decoder, nn.Dropout)] == [0.2, 0.2]


@pytest.mark.parametrize(("output", "stars"), [(-100.0, 0.5), (0.0, 2.75), (100.0, 5.0)])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_without_biases_a_sigmoid_maps_the_output_to_the_scale(
    tiny_store, config, perturbed_model, mode, output, stars
):
    model = perturbed_model(config, tiny_store).train(mode == "train")
    nn.init.zeros_(model.rating.weight)
    nn.init.constant_(model.rating.bias, output)
    assert outputs(model, tiny_store)[1].prediction.tolist() == approx([stars] * 9)


def test_with_biases_the_prediction_is_bias_plus_decoder(tiny_store, small_config, perturbed_model):
    model = perturbed_model(small_config("hybrid", bias=True), tiny_store)
    assert [type(head) for head in model.heads] == [BiasHead]
    pairs, output = outputs(model, tiny_store)
    with torch.no_grad():
        decoded = model.decode_mean(pairs, output.posteriors)
    user, film = model.heads[0].user.weight[:, 0], model.heads[0].film.weight[:, 0]
    expected = decoded + tiny_store.mean + user[pairs.user] + film[pairs.film]
    torch.testing.assert_close(output.prediction, expected.detach())


def test_without_biases_there_is_no_head(tiny_store, config, perturbed_model):
    assert len(perturbed_model(config, tiny_store).heads) == 0


def test_an_expected_rating_is_the_mean_over_the_posterior(tiny_store, config, perturbed_model):
    """Compared to the mean of many draws, it is closer than decoding mu."""
    model = perturbed_model(config, tiny_store, std=0.5)
    pairs = tiny_store.pairs(torch.arange(9))
    generator = torch.Generator().manual_seed(0)
    mu = torch.randn(9, 3, generator=generator)
    logvar = torch.full((9, 3), -1.0)
    posterior = {"latent": Posterior(mu, logvar)}
    with torch.no_grad():
        few_draws = model.decode_mean(pairs, posterior)
        many = [
            model.decode(pairs, {"latent": mu + torch.randn(9, 3, generator=generator) * e})
            for e in [(0.5 * logvar).exp()] * 4000
        ]
        decoded_mu = model.decode(pairs, {"latent": mu})
    mean = torch.stack(many).mean(0)
    spread = torch.stack(many).std(0).mean()
    assert spread > 0.2  # the draws differ
    error = (few_draws - mean).square().mean().sqrt()
    assert error < (decoded_mu - mean).square().mean().sqrt() / 1.5
    assert error < spread / 3


def test_a_posterior_without_variance_is_decoded_at_its_mean(tiny_store, config, perturbed_model):
    model = perturbed_model(config, tiny_store)
    pairs = tiny_store.pairs(torch.arange(9))
    certain = {"latent": Posterior(torch.ones(9, 3), torch.full((9, 3), -60.0))}
    with torch.no_grad():
        torch.testing.assert_close(
            model.decode_mean(pairs, certain), model.decode(pairs, {"latent": torch.ones(9, 3)})
        )


def test_the_draws_average_to_zero_and_are_the_same_in_every_model(
    tiny_store, config, perturbed_model
):
    model = perturbed_model(config, tiny_store)
    assert model.draws.sum(0).tolist() == approx([0, 0, 0], abs=1e-6)
    torch.rand(7)
    assert torch.equal(model.draws, perturbed_model(config, tiny_store, std=0.1).draws)
