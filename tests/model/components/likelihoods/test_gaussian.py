"""Gaussian noise with a learned variance."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import torch
from pytest import approx
from recsys_search.data.ratings import Scale
from recsys_search.model.components.likelihoods.gaussian import FILM_PRIOR_STD, Gaussian
from recsys_search.model.components.likelihoods.offsets import GAIN
from recsys_search.model.store.train_store import Pairs

FIRST_VARIANCE = 0.64


def pairs_of(*indices):
    user, film = torch.tensor(indices).T
    return Pairs(user, film, None, torch.full((len(indices),), -1))


def with_offset(offsets, index, value):
    """Sets the offset of one user or film, in nats."""
    with torch.no_grad():
        offsets.table.weight[index] = value / GAIN


def test_the_loss_is_at_first_the_squared_error(tiny_store):
    loss = Gaussian(tiny_store).loss(
        torch.tensor([3.0, 4.0]), pairs_of((0, 0), (2, 3)), torch.tensor([4.0, 2.0])
    )
    assert float(loss.detach()) == approx((1 + 4) / 2)


def test_its_gradient_is_at_first_that_of_the_squared_error(tiny_store):
    prediction = torch.tensor([3.0, 4.0], requires_grad=True)
    rating = torch.tensor([4.0, 2.0])
    Gaussian(tiny_store).loss(prediction, pairs_of((0, 0), (2, 3)), rating).backward()
    assert prediction.grad.tolist() == approx([-1.0, 2.0])  # 2·error / 2


def test_the_loss_on_another_scale_is_that_in_its_unit(tiny_store):
    """A star is 100 / 4.5 on 0 to 100: errors are as many times larger, and their squares."""
    store = replace(tiny_store, scale=Scale(0, 100))
    star = 100 / 4.5
    pairs, prediction = pairs_of((0, 0), (2, 3)), torch.tensor([3.0, 4.0])
    rating = torch.tensor([4.0, 2.0])
    loss = Gaussian(store).loss(star * prediction, pairs, star * rating)
    assert float(loss.detach()) == approx(star**2 * 2.5)


def test_a_film_with_four_times_the_variance_has_a_quarter_of_the_squared_error(tiny_store):
    """And log 4 / 2 nats more, and its share of the prior: film 0 has three train ratings."""
    likelihood = Gaussian(tiny_store)
    with_offset(likelihood.film, 0, log(4))
    loss = likelihood.loss(torch.tensor([3.0]), pairs_of((0, 0)), torch.tensor([5.0]))
    prior = log(4) ** 2 / (2 * FILM_PRIOR_STD**2) / 3
    assert float(loss.detach()) == approx(
        4 / 4 + 2 * FIRST_VARIANCE * (log(4) / 2 + prior), rel=1e-5
    )


def test_the_variance_is_best_where_it_is_the_squared_error(tiny_store):
    """The gradient of the common standard deviation is 0 if errors are as large as it is."""
    likelihood = Gaussian(tiny_store)
    likelihood.loss(torch.tensor([3.0]), pairs_of((0, 0)), torch.tensor([3.8])).backward()
    assert float(likelihood.log_std.grad) == approx(0, abs=1e-5)
    likelihood.zero_grad()
    likelihood.loss(torch.tensor([3.0]), pairs_of((0, 0)), torch.tensor([4.0])).backward()
    assert float(likelihood.log_std.grad) < 0  # downhill is a larger one


def test_the_squared_error_keeps_its_weight_whatever_the_noise(tiny_store):
    """So that a KL weight means the same: a nat costs more where there is more noise."""
    likelihood = Gaussian(tiny_store)
    with torch.no_grad():
        likelihood.log_std += log(3) / GAIN
    prediction = torch.tensor([3.0], requires_grad=True)
    likelihood.loss(prediction, pairs_of((0, 0)), torch.tensor([4.0])).backward()
    assert float(prediction.grad) == approx(-2.0)


def test_variances_multiply_and_unknown_ones_do_not_count(tiny_store):
    likelihood = Gaussian(tiny_store)
    with_offset(likelihood.user, 2, 0.5)
    with_offset(likelihood.film, 3, 0.25)
    # An index of -1 must not be taken for the last user or film.
    with_offset(likelihood.user, -1, 9.0)
    with_offset(likelihood.film, -1, 9.0)
    pairs = pairs_of((2, 3), (2, -1), (-1, 3), (-1, -1))
    std = likelihood.std(torch.zeros(4), pairs)
    expected = [0.8 * exp(v / 2) for v in (0.75, 0.5, 0.25, 0)]
    assert std.tolist() == approx(expected)


def test_ratings_are_distributed_around_the_prediction_on_the_scale(tiny_store):
    """A prediction of 9 counts as 5, half of whose noise is above it."""
    likelihood = Gaussian(tiny_store)
    levels = torch.tensor([4.0, 6.0])
    pairs = pairs_of((0, 0))
    probabilities = likelihood.probabilities(
        torch.tensor([9.0]), pairs, torch.tensor([6.0]), levels
    )
    assert probabilities.below.item() == approx(0.5)
    assert likelihood.expected(torch.tensor([9.0])).tolist() == [5.0]
