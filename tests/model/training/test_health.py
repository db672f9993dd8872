"""The latents' health, by hand."""

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
    """Two towers with the mu they are given; the prediction is the first one's first unit."""

    def __init__(self, store, first, second):
        super().__init__(store)
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


def test_a_unit_is_active_where_its_mu_varies_by_more_than_a_hundredth(few):
    """Variances of 0, 0.0096, 0.0104 and 2/3: ± a over three rows has a variance of 2a²/3."""
    columns = [(5.0, 5.0, 5.0), (-0.12, 0.0, 0.12), (-0.125, 0.0, 0.125), (-1.0, 0.0, 1.0)]
    model = Towers(few, list(zip(*columns, strict=True)), [[7.0]] * 3)
    assert measured(model, few.pairs(ROWS)).active_units == {"first": 2, "second": 0}


def test_the_kl_of_each_tower_is_the_mean_over_rows_of_half_of_mu_squared(few):
    """At variance 1, where no free bits clamp it."""
    model = Towers(few, [[2.0, 0.0], [0.0, 0.0], [1.0, 1.0]], [[0.0]] * 3)
    assert measured(model, few.pairs(ROWS)).kl == {"first": approx(3.0 / 3), "second": 0.0}


def test_exchanging_a_tower_that_the_decoder_ignores_costs_nothing(few):
    model = Towers(few, [[3.0], [1.5], [5.0]], [[1.0], [2.0], [3.0]])
    assert measured(model, few.pairs(ROWS)).shuffle_cost["second"] == 0.0


def test_the_shuffle_cost_is_the_share_by_which_the_mse_grows(few, monkeypatch):
    """Errors of 1, 0.5 and 0; with each z taken from the row before: 1, 2 and 3.5."""
    monkeypatch.setattr(health, "_shuffle", lambda n, device: torch.tensor([2, 0, 1]))
    model = Towers(few, [[3.0], [1.5], [5.0]], [[0.0]] * 3)
    cost = measured(model, few.pairs(ROWS)).shuffle_cost["first"]
    assert cost == approx((1 + 4 + 3.5**2) / (1 + 0.25) - 1)


def test_without_an_error_there_is_no_share_of_it(few):
    model = Towers(few, [[4.0], [1.0], [5.0]], [[0.0]] * 3)
    assert isnan(measured(model, few.pairs(ROWS)).shuffle_cost["first"])


@pytest.mark.parametrize("n", [2, 3, 2000])
def test_a_shuffle_leaves_no_row_in_its_place_and_repeats(n):
    partner = health._shuffle(n, torch.device("cpu"))
    assert sorted(partner.tolist()) == list(range(n))
    assert not (partner == torch.arange(n)).any()
    assert partner.equal(health._shuffle(n, torch.device("cpu")))


def test_health_is_measured_per_tower(few, small_config, lively):
    model = lively(small_config(latent_dim=4), few)
    torch.nn.init.zeros_(model.user_rated.weight)
    torch.nn.init.zeros_(model.user_seen.weight)
    healthy = measured(model, few.pairs(torch.arange(9)), few.rating)
    assert healthy.active_units == {"user": 4, "film": 0}
    assert healthy.shuffle_cost["film"] == 0.0  # the same z everywhere
    assert healthy.kl["user"] > healthy.kl["film"] > 0  # the variance has a KL of its own


def test_a_model_without_latents_has_no_health(few, small_config, lively):
    told = measured(lively(small_config("mf"), few), few.pairs(torch.arange(9)), few.rating)
    assert (told.active_units, told.kl, told.shuffle_cost) == ({}, {}, {})


def test_health_is_measured_in_eval_mode_of_a_net_with_dropout(few, small_config, lively):
    model = lively(small_config("hybrid"), few).train()
    pairs = few.pairs(torch.arange(9))
    assert measured(model, pairs, few.rating) == measured(model.train(), pairs, few.rating)
