"""Errors and loss of a model, worked out by hand."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from pytest import approx
from recsys_search.model.components import vae
from recsys_search.model.components.output import Posterior
from recsys_search.model.components.rating_model import EVAL_BATCH_SIZE
from recsys_search.model.training import quality as evaluation
from recsys_search.model.training.elbo import KlCost


def evaluate(model, pairs, rating, **kl_cost):
    shared = model.encode_for_eval()
    return evaluation.evaluate(model, pairs, rating, shared, KlCost(**kl_cost))


class Fixed(vae.RatingVAE):
    """Predicts a fixed value for each train row, with one latent unit of known mu."""

    def __init__(self, store, predictions, mu):
        super().__init__(store, "mse")
        self.predictions, self.mu = torch.tensor(predictions), torch.tensor(mu)

    def posteriors(self, pairs, shared):
        mu = self.mu[pairs.row]
        return {"unit": Posterior(mu, torch.zeros_like(mu))}

    def decode(self, pairs, z):
        return self.predictions[pairs.row]


@pytest.fixture
def in_small_batches(monkeypatch):
    """Batches of two, the last of one."""
    monkeypatch.setitem(EVAL_BATCH_SIZE, "cpu", 2)


ROWS = torch.arange(3)
STARS = torch.tensor([4.0, 1.0, 5.0])


@pytest.mark.usefixtures("in_small_batches")
def test_mse_is_the_mean_of_squared_errors_of_clipped_predictions(tiny_store):
    model = Fixed(tiny_store, [3.0, 1.5, 7.0], [[0.0]] * 3)
    quality = evaluate(model, tiny_store.pairs(ROWS), STARS, beta=0.0, free_bits=0.0)
    assert quality.mse == approx((1 + 0.25 + 0) / 3)  # 7 is clipped to 5
    assert quality.rmse == approx(sqrt(1.25 / 3))
    assert quality.loss == approx(quality.mse)


@pytest.mark.usefixtures("in_small_batches")
def test_the_loss_is_mse_plus_beta_times_the_mean_kl(tiny_store):
    """With a posterior variance of 1 the KL is half of mu squared: 2, 0 and 0.5."""
    model = Fixed(tiny_store, [4.0, 1.0, 4.0], [[2.0], [0.0], [1.0]])
    quality = evaluate(model, tiny_store.pairs(ROWS), STARS, beta=0.1, free_bits=0.0)
    assert quality.mse == approx(1 / 3)
    assert quality.loss == approx(1 / 3 + 0.1 * 2.5 / 3)


def test_the_loss_applies_free_bits_as_training_does(tiny_store):
    model = Fixed(tiny_store, [4.0, 1.0, 5.0], [[0.0]] * 3)
    quality = evaluate(model, tiny_store.pairs(ROWS), STARS, beta=0.1, free_bits=3.0)
    assert quality.loss == approx(0.3)


def test_the_loss_includes_the_penalty_of_the_model(tiny_store, small_config, perturbed_model):
    model = perturbed_model(small_config("mf", l2=0.0), tiny_store)
    qualities = []
    for l2 in (0.0, 0.5):
        model.config = small_config("mf", l2=l2)
        qualities.append(evaluate(model, tiny_store.pairs(ROWS), STARS, beta=0.0, free_bits=0.0))
    vectors = [model.user.weight[tiny_store.user[ROWS]], model.film.weight[tiny_store.film[ROWS]]]
    squares = torch.cat(vectors).detach().square()
    assert qualities[1].mse == qualities[0].mse == approx(qualities[0].loss)
    assert qualities[1].loss - qualities[0].loss == approx(0.5 * float(squares.sum()) / 3)


def test_a_nan_among_the_predictions_is_not_hidden(tiny_store):
    model = Fixed(tiny_store, [4.0, float("nan"), 5.0], [[0.0]] * 3)
    quality = evaluate(model, tiny_store.pairs(ROWS), STARS, beta=0.1, free_bits=0.0)
    assert quality.mse != quality.mse
    assert quality.rmse != quality.rmse


def test_a_model_is_evaluated_in_eval_mode(tiny_store, small_config, perturbed_model):
    model = perturbed_model(small_config("hybrid"), tiny_store).train()
    rows = torch.arange(9)
    first = evaluate(model, tiny_store.pairs(rows), tiny_store.rating, beta=0.1, free_bits=0)
    model.train()
    assert (
        evaluate(model, tiny_store.pairs(rows), tiny_store.rating, beta=0.1, free_bits=0) == first
    )
