"""Cumulative logits over the levels of a scale."""

from __future__ import annotations

import math
from dataclasses import replace
from math import exp, log, pi, sqrt

import pytest
import torch
from pytest import approx
from recsys_search.data.ratings import Scale
from recsys_search.errors import ConfigError
from recsys_search.model.components.likelihoods.likelihood import NOISE_STD
from recsys_search.model.components.likelihoods.offsets import GAIN
from recsys_search.model.components.likelihoods.ordinal import Ordinal, centre
from recsys_search.model.store.train_store import Pairs, TrainStore
from recsys_search.model.training.descent.row_adamw import RowAdamW

from ...conftest import CPU, make_ratings

SPREAD = NOISE_STD * sqrt(3) / pi
GAP = 1.5  # stars between the two thresholds
# With the centre at half a star above the first threshold, the probabilities of 1, 2 and 4, and the
# mean rating.
ABOVE_ONE, ABOVE_TWO = (1 / (1 + exp(-z / SPREAD)) for z in (0.5, 0.5 - GAP))
MASSES = [1 - ABOVE_ONE, ABOVE_ONE - ABOVE_TWO, ABOVE_TWO]
MEAN = 1 * MASSES[0] + 2 * MASSES[1] + 4 * MASSES[2]


def pairs_of(*indices):
    user, film = torch.tensor(indices).T
    return Pairs(user, film, None, torch.full((len(indices),), -1))


@pytest.fixture
def three_levels():
    """Three ratings of 1, one of 2, two of 4; the scale is 0.5 to 5."""
    rows = [(0, 0, 1.0, 0), (0, 1, 1.0, 0), (0, 2, 1.0, 0), (2, 0, 2.0, 0), (2, 3, 4.0, 0)]
    return TrainStore.build(make_ratings([*rows, (3, 3, 4.0, 0)]), CPU)


@pytest.fixture
def likelihood(three_levels):
    """Without offsets."""
    likelihood = Ordinal(three_levels)
    likelihood.first_gaps.fill_(log(exp(GAP - 1e-4) - 1))
    return likelihood


def probabilities(likelihood, prediction, pair=(0, 0)):
    """Of each level."""
    levels = likelihood.levels
    pairs = pairs_of(*[pair] * len(levels))
    probabilities = likelihood.probabilities(
        torch.full((len(levels),), prediction), pairs, levels, levels
    )
    return probabilities.log_mass.exp().tolist()


def test_the_levels_are_the_distinct_train_ratings(likelihood):
    assert likelihood.levels.tolist() == [1, 2, 4]


def test_probabilities_are_differences_of_cumulative_logits(likelihood):
    assert probabilities(likelihood, MEAN) == approx(MASSES, rel=1e-4)


@pytest.mark.parametrize("prediction", [1.1, 1.7, 2.5, 3.9])
def test_the_mean_of_the_distribution_is_the_prediction(likelihood, prediction):
    low, middle, high = probabilities(likelihood, prediction)
    assert low * 1 + middle * 2 + high * 4 == approx(prediction, abs=1e-4)
    variance = low * 1 + middle * 4 + high * 16 - prediction**2
    std = likelihood.std(torch.tensor([prediction]), pairs_of((0, 0)))
    assert std.item() == approx(sqrt(variance), abs=1e-4)


@pytest.mark.parametrize(("prediction", "mean"), [(-3.0, 1.03), (9.0, 3.97)])
def test_a_prediction_beyond_the_levels_is_near_their_end(likelihood, prediction, mean):
    """A hundredth of their span away from it, so that no level is impossible."""
    low, middle, high = probabilities(likelihood, prediction)
    assert low * 1 + middle * 2 + high * 4 == approx(mean, abs=1e-4)
    assert min(low, middle, high) > 0


def test_probabilities_below_a_rating_are_those_of_the_lower_levels(likelihood):
    levels = likelihood.levels
    probabilities = likelihood.probabilities(
        torch.full((3,), MEAN), pairs_of(*[(0, 0)] * 3), levels, levels
    )
    assert probabilities.below.tolist() == approx([0, MASSES[0], MASSES[0] + MASSES[1]], rel=1e-4)


def test_the_loss_is_the_squared_error_plus_the_negative_log_likelihood(likelihood):
    rating = torch.tensor([1.0, 2.0, 4.0])
    loss = likelihood.loss(torch.full((3,), MEAN), pairs_of(*[(0, 0)] * 3), rating)
    squares = [(MEAN - level) ** 2 for level in (1, 2, 4)]
    expected = sum(squares) / 3 - sum(map(log, MASSES)) / 3
    assert float(loss.detach()) == approx(expected, rel=1e-4)


def test_predictions_have_the_gradient_of_the_squared_error(likelihood):
    prediction = torch.tensor([2.0, 3.0], requires_grad=True)
    rating = torch.tensor([4.0, 1.0])
    likelihood.loss(prediction, pairs_of((0, 0), (2, 3)), rating).backward()
    assert prediction.grad.tolist() == approx([-2.0, 2.0])
    assert likelihood.gaps.grad.abs().sum() > 0


def test_the_gradient_of_a_gap_is_that_of_finite_differences(likelihood):
    likelihood.double()
    pairs, rating = pairs_of((0, 0), (2, 3), (3, 3)), torch.tensor([1.0, 2.0, 4.0]).double()
    prediction = torch.tensor([1.5, 2.2, 3.1]).double()

    def loss(by=0.0):
        with torch.no_grad():
            likelihood.gaps += by
        return likelihood.loss(prediction, pairs, rating)

    loss().backward()
    step = 1e-2
    above, below = float(loss(step).detach()), float(loss(-2 * step).detach())
    assert float(likelihood.gaps.grad) == approx((above - below) / (2 * step), rel=1e-2)


def test_a_centre_has_the_gradient_of_the_implicit_function():
    """With one threshold at 0 the mean m is sigmoid(c), so c is logit(m): slope 1 / m(1 - m)."""
    mean = torch.tensor([0.2, 0.5, 0.9], requires_grad=True)
    found = centre(mean, torch.zeros(3, 1), torch.ones(1))
    found.sum().backward()
    assert found.tolist() == approx([log(0.25), 0, log(9)], abs=1e-5)
    assert mean.grad.tolist() == approx([1 / 0.16, 4, 1 / 0.09], rel=1e-4)


def test_ratings_far_from_predictions_have_finite_losses_and_gradients(likelihood):
    prediction = torch.tensor([900.0, -900.0, 900.0], requires_grad=True)
    loss = likelihood.loss(prediction, pairs_of(*[(0, 0)] * 3), torch.tensor([1.0, 4.0, 2.0]))
    loss.backward()
    assert loss.isfinite()
    gradients = [prediction.grad, *(p.grad.to_dense() for p in likelihood.parameters())]
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_a_users_own_gap_changes_only_their_distributions(likelihood):
    """A wider gap makes the level in the middle more probable."""
    with torch.no_grad():
        likelihood.user_gaps.table.weight[2] = 1.0 / GAIN
    assert probabilities(likelihood, MEAN, (0, 0)) == approx(MASSES, rel=1e-4)
    assert probabilities(likelihood, MEAN, (-1, -1)) == approx(MASSES, rel=1e-4)
    assert probabilities(likelihood, MEAN, (2, 0))[1] > MASSES[1] + 0.05


def test_a_films_own_spread_makes_its_distributions_wider(likelihood):
    with torch.no_grad():
        likelihood.film.table.weight[3] = 0.5 / GAIN
    narrow, wide = likelihood.std(torch.tensor([MEAN, MEAN]), pairs_of((0, 0), (0, 3))).tolist()
    assert wide > narrow * 1.1


def test_thresholds_ascend_whatever_the_weights(tiny_store):
    likelihood = Ordinal(tiny_store)
    torch.manual_seed(0)
    users = torch.arange(tiny_store.n_users)
    pairs = Pairs(users, users, None, torch.full_like(users, -1))
    with torch.no_grad():
        for parameter in likelihood.parameters():
            parameter.add_(torch.randn_like(parameter))
        logits, gaps = likelihood._logits(torch.full((len(users),), 3.0), pairs)
    assert (logits.diff() < 0).all()
    assert (gaps > 0).all()


def test_the_first_gaps_give_each_level_its_share(three_levels):
    """A half and two thirds are below the thresholds, which are log 2 spreads of the ratings apart,
    if predictions plus noise vary like ratings."""
    _, gaps = Ordinal(three_levels)._logits(torch.tensor([2.0]), pairs_of((0, 0)))
    std = float(three_levels.rating.double().std())
    assert gaps.item() == approx(log(2) * std / NOISE_STD, rel=1e-4)


def test_on_another_scale_all_is_the_same_in_its_unit(tiny_store):
    star = 100 / 4.5
    other = replace(tiny_store, rating=tiny_store.rating * star, mean=tiny_store.mean * star)
    other = replace(other, scale=Scale(0.5 * star, 0.5 * star + 100))
    prediction, pairs = torch.tensor([2.0, 3.5]), pairs_of((0, 0), (2, 3))
    rating = torch.tensor([4.0, 2.0])
    small, large = Ordinal(tiny_store), Ordinal(other)
    loss = small.loss(prediction, pairs, rating).item()
    assert large.loss(star * prediction, pairs, star * rating).item() == approx(
        star**2 * loss, rel=1e-4
    )
    std = star * small.std(prediction, pairs)
    assert large.std(star * prediction, pairs).tolist() == approx(std.tolist(), rel=1e-4)


@pytest.mark.parametrize("n_levels", [1, 51])
def test_ratings_with_too_few_or_too_many_levels_are_refused(n_levels):
    with pytest.raises(ConfigError) as caught:
        Ordinal(store_with_levels(n_levels))
    assert str(caught.value) == (
        "likelihood ordinal needs 2 to 50 distinct ratings, but the train ratings have "
        f"{n_levels}; write likelihood gaussian, or mse"
    )
    assert caught.value.at == ("likelihood",)


@pytest.mark.parametrize("n_levels", [2, 50])
def test_ratings_with_two_to_fifty_levels_are_not_refused(n_levels):
    likelihood = Ordinal(store_with_levels(n_levels))
    assert sum(probabilities(likelihood, 1.005)) == approx(1, abs=1e-4)


def store_with_levels(n_levels):
    rows = [(0, film, 1 + film / 100, 0) for film in range(n_levels)]
    return TrainStore.build(make_ratings([*rows, (1, 0, 1.0, 0)], n_films=60), CPU)


def test_it_learns_that_a_user_never_gives_a_rating():
    """User 0 gives 1 and 3 alone, user 1 gives a 2 as often."""
    rows = [(0, film, [1.0, 3.0][film % 2], 0) for film in range(60)]
    rows += [(1, film, [1.0, 2.0, 3.0][film % 3], 0) for film in range(60)]
    store = TrainStore.build(make_ratings(rows, n_users=2, n_films=60), CPU)
    likelihood = Ordinal(store)
    optimizer = RowAdamW(likelihood.parameters(), CPU, weight_decay=0.0)
    pairs, prediction = store.pairs(torch.arange(len(store))), torch.full((len(store),), 2.0)
    for step in range(200):
        optimizer.zero_grad()
        likelihood.loss(prediction, pairs, store.rating).backward()
        optimizer.clip_gradients(math.inf)
        optimizer.prepare(step + 1, 0.02)
        optimizer.step()
    never, often = (probabilities(likelihood, 2.0, (user, 0))[1] for user in (0, 1))
    assert never < 0.05
    assert often == approx(1 / 3, abs=0.05)
