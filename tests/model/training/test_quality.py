"""Figures of a model, by hand."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from pytest import approx
from recsys_search.model.components import vae
from recsys_search.model.components.output import Posterior
from recsys_search.model.components.rating_model import EVAL_BATCH
from recsys_search.model.training import quality as evaluation
from recsys_search.model.training.elbo import KlCost


def evaluate(model, pairs, rating, **kl_cost):
    shared = model.encode_for_eval()
    return evaluation.evaluate(model, pairs, rating, shared, KlCost(**kl_cost))


class Fixed(vae.RatingVAE):
    """Predicts what it is told to for each train row, with one unit of known mu."""

    def __init__(self, store, predictions, mu):
        super().__init__(store)
        self.predictions, self.mu = torch.tensor(predictions), torch.tensor(mu)

    def posteriors(self, pairs, shared):
        mu = self.mu[pairs.row]
        return {"unit": Posterior(mu, torch.zeros_like(mu))}

    def decode(self, pairs, z):
        return self.predictions[pairs.row]


@pytest.fixture
def in_small_batches(monkeypatch):
    """Batches of two, the last of one."""
    monkeypatch.setitem(EVAL_BATCH, "cpu", 2)


ROWS = torch.arange(3)
STARS = torch.tensor([4.0, 1.0, 5.0])


@pytest.mark.usefixtures("in_small_batches")
def test_mse_is_the_mean_of_squared_errors_of_clipped_predictions(few):
    model = Fixed(few, [3.0, 1.5, 7.0], [[0.0]] * 3)
    quality = evaluate(model, few.pairs(ROWS), STARS, beta=0.0, free_bits=0.0)
    assert quality.mse == approx((1 + 0.25 + 0) / 3)  # 7 is clipped to 5
    assert quality.rmse == approx(sqrt(1.25 / 3))
    assert quality.loss == approx(quality.mse)


@pytest.mark.usefixtures("in_small_batches")
def test_the_loss_is_mse_plus_beta_times_the_mean_kl(few):
    """At variance 1, the KL is half of mu squared: 2, 0 and 0.5."""
    model = Fixed(few, [4.0, 1.0, 4.0], [[2.0], [0.0], [1.0]])
    quality = evaluate(model, few.pairs(ROWS), STARS, beta=0.1, free_bits=0.0)
    assert quality.mse == approx(1 / 3)
    assert quality.loss == approx(1 / 3 + 0.1 * 2.5 / 3)


def test_the_loss_counts_free_bits_as_training_does(few):
    model = Fixed(few, [4.0, 1.0, 5.0], [[0.0]] * 3)
    quality = evaluate(model, few.pairs(ROWS), STARS, beta=0.1, free_bits=3.0)
    assert quality.loss == approx(0.3)


def test_the_loss_counts_a_models_own_penalty(few, small_config, lively):
    model = lively(small_config("mf", l2=0.0), few)
    told = []
    for l2 in (0.0, 0.5):
        model.config = small_config("mf", l2=l2)
        told.append(evaluate(model, few.pairs(ROWS), STARS, beta=0.0, free_bits=0.0))
    vectors = [model.user.weight[few.user[ROWS]], model.film.weight[few.film[ROWS]]]
    squares = torch.cat(vectors).detach().square()
    assert told[1].mse == told[0].mse == told[0].loss
    assert told[1].loss - told[0].loss == approx(0.5 * float(squares.sum()) / 3)


def test_a_nan_among_the_predictions_is_not_hidden(few):
    model = Fixed(few, [4.0, float("nan"), 5.0], [[0.0]] * 3)
    quality = evaluate(model, few.pairs(ROWS), STARS, beta=0.1, free_bits=0.0)
    assert quality.mse != quality.mse
    assert quality.rmse != quality.rmse


def test_a_model_is_evaluated_in_eval_mode(few, small_config, lively):
    model = lively(small_config("hybrid"), few).train()
    rows = torch.arange(9)
    first = evaluate(model, few.pairs(rows), few.rating, beta=0.1, free_bits=0)
    model.train()
    assert evaluate(model, few.pairs(rows), few.rating, beta=0.1, free_bits=0) == first
