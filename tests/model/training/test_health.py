"""Health of the latents, worked out by hand."""

from __future__ import annotations

from math import isnan

import pytest
import torch
from pytest import approx
from recsys_search.model.components import vae
from recsys_search.model.components.output import Posterior
from recsys_search.model.training import health
from recsys_search.model.training.health import measure_health

ROWS = torch.arange(3)
STARS = torch.tensor([4.0, 1.0, 5.0])


class Towers(vae.RatingVAE):
    """Two towers with a fixed mu; predicts the first unit of the first tower."""

    def __init__(self, store, first, second):
        super().__init__(store, "mse")
        self.mu = {"first": torch.tensor(first), "second": torch.tensor(second)}

    def posteriors(self, pairs, shared):
        return {
            tower: Posterior(mu[pairs.row], torch.zeros_like(mu[pairs.row]))
            for tower, mu in self.mu.items()
        }

    def decode(self, pairs, z):
        return z["first"][:, 0]


def measured(model, pairs, rating=STARS):
    return measure_health(model, pairs, rating, model.encode_for_eval())


def test_a_unit_is_active_if_its_mu_has_a_variance_above_a_hundredth(tiny_store):
    """Variances of 0, 0.0096, 0.0104 and 2/3: -a, 0 and a have a variance of 2a²/3."""
    columns = [(5.0, 5.0, 5.0), (-0.12, 0.0, 0.12), (-0.125, 0.0, 0.125), (-1.0, 0.0, 1.0)]
    model = Towers(tiny_store, list(zip(*columns, strict=True)), [[7.0]] * 3)
    assert measured(model, tiny_store.pairs(ROWS)).active_units == {"first": 2, "second": 0}


def test_the_kl_of_each_tower_is_the_mean_over_rows_of_half_of_mu_squared(tiny_store):
    """For a posterior variance of 1; free bits do not clamp it."""
    model = Towers(tiny_store, [[2.0, 0.0], [0.0, 0.0], [1.0, 1.0]], [[0.0]] * 3)
    assert measured(model, tiny_store.pairs(ROWS)).kl == {"first": approx(3.0 / 3), "second": 0.0}


def test_a_tower_that_the_decoder_ignores_has_no_shuffle_cost(tiny_store):
    model = Towers(tiny_store, [[3.0], [1.5], [5.0]], [[1.0], [2.0], [3.0]])
    assert measured(model, tiny_store.pairs(ROWS)).shuffle_cost["second"] == 0.0


def test_the_shuffle_cost_is_the_relative_growth_of_the_mse(tiny_store, monkeypatch):
    """Errors of 1, 0.5 and 0; with the z of the previous row: 1, 2 and 3.5."""
    monkeypatch.setattr(health, "_shuffle", lambda n, device: torch.tensor([2, 0, 1]))
    model = Towers(tiny_store, [[3.0], [1.5], [5.0]], [[0.0]] * 3)
    cost = measured(model, tiny_store.pairs(ROWS)).shuffle_cost["first"]
    assert cost == approx((1 + 4 + 3.5**2) / (1 + 0.25) - 1)


def test_the_shuffle_cost_is_nan_where_the_mse_is_zero(tiny_store):
    model = Towers(tiny_store, [[4.0], [1.0], [5.0]], [[0.0]] * 3)
    assert isnan(measured(model, tiny_store.pairs(ROWS)).shuffle_cost["first"])


@pytest.mark.parametrize("n", [2, 3, 2000])
def test_the_shuffle_moves_every_row_and_is_always_the_same(n):
    partner = health._shuffle(n, torch.device("cpu"))
    assert sorted(partner.tolist()) == list(range(n))
    assert not (partner == torch.arange(n)).any()
    assert partner.equal(health._shuffle(n, torch.device("cpu")))


def test_health_is_measured_per_tower(tiny_store, small_config, perturbed_model):
    model = perturbed_model(small_config(latent_dim=4), tiny_store)
    torch.nn.init.zeros_(model.user_rated.weight)
    torch.nn.init.zeros_(model.user_seen.weight)
    healthy = measured(model, tiny_store.pairs(torch.arange(9)), tiny_store.rating)
    assert healthy.active_units == {"user": 4, "film": 0}
    assert healthy.shuffle_cost["film"] == 0.0  # the same z everywhere
    assert healthy.kl["user"] > healthy.kl["film"] > 0  # the variance adds to the KL too


def test_a_model_without_latents_has_no_health(tiny_store, small_config, perturbed_model):
    health_of_mf = measured(
        perturbed_model(small_config("mf"), tiny_store),
        tiny_store.pairs(torch.arange(9)),
        tiny_store.rating,
    )
    assert (health_of_mf.active_units, health_of_mf.kl, health_of_mf.shuffle_cost) == ({}, {}, {})


def test_health_of_a_network_with_dropout_is_measured_in_eval_mode(
    tiny_store, small_config, perturbed_model
):
    model = perturbed_model(small_config("hybrid"), tiny_store).train()
    pairs = tiny_store.pairs(torch.arange(9))
    assert measured(model, pairs, tiny_store.rating) == measured(
        model.train(), pairs, tiny_store.rating
    )
