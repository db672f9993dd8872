"""The mean of several models."""

from __future__ import annotations

import pytest
import torch
from pytest import approx
from recsys_search.model.components.mixture import Mixture
from recsys_search.model.store.train_store import Pairs

WEIGHTS = (0.5, 0.3, 0.2)


@pytest.fixture
def members(tiny_store, small_config, perturbed_model):
    """Three models far from each other; some of their scores are beyond the scale."""
    names = ("two_tower", "mf", "hybrid")
    return [perturbed_model(small_config(name), tiny_store, std=1.0) for name in names]


def every_pair(store):
    """All pairs, and unknown users and films."""
    user, film = torch.meshgrid(
        torch.arange(-1, store.n_users), torch.arange(-1, store.n_films), indexing="ij"
    )
    row = torch.full((user.numel(),), -1)
    return Pairs(user.flatten(), film.flatten(), None, row)


def mean(values):
    return sum(weight * value for weight, value in zip(WEIGHTS, values, strict=True))


def test_an_expected_rating_is_the_mean_of_the_members_expected_ratings(tiny_store, members):
    """For unknown users and films too, and where a member's score is clipped."""
    pairs = every_pair(tiny_store)
    mixture = Mixture(members, WEIGHTS)
    expected = [member.predict(pairs) for member in members]
    assert mixture.predict(pairs).tolist() == approx(mean(expected).tolist(), abs=1e-5)
    assert max(float(member.score(pairs).max()) for member in members) > 5.1
    assert len(pairs) == 30


def test_a_score_is_the_mean_of_the_members_scores(tiny_store, members):
    pairs = every_pair(tiny_store)
    mixture = Mixture(members, WEIGHTS)
    scores = mean([member.score(pairs) for member in members]).tolist()
    assert mixture.score(pairs).tolist() == approx(scores, abs=1e-5)
    assert mixture.forecast(pairs).score.tolist() == approx(scores, abs=1e-5)


def test_probabilities_are_the_means_of_the_members_probabilities(
    tiny_store, small_config, perturbed_model
):
    members = [
        perturbed_model(small_config(likelihood=name), tiny_store)
        for name in ("gaussian", "ordinal", "gaussian")
    ]
    pairs, levels = every_pair(tiny_store), tiny_store.rating.unique()
    rating = torch.full((len(pairs),), 3.5)
    probabilities = Mixture(members, WEIGHTS).forecast(pairs).probabilities(rating, levels)
    each = [member.forecast(pairs).probabilities(rating, levels) for member in members]
    assert probabilities.below.tolist() == approx(mean([part.below for part in each]).tolist())
    masses = mean([part.log_mass.exp() for part in each])
    assert probabilities.log_mass.exp().tolist() == approx(masses.tolist())


def test_a_member_without_a_distribution_leaves_the_mixture_without_one(tiny_store, members):
    forecast = Mixture(members, WEIGHTS).forecast(every_pair(tiny_store))
    assert forecast.std() is None
    assert forecast.probabilities(torch.full((30,), 3.5), tiny_store.rating.unique()) is None


@pytest.mark.parametrize("cells", [1, 12, 1000])
def test_the_catalogue_is_scored_like_single_pairs(tiny_store, members, cells):
    mixture = Mixture(members, WEIGHTS)
    users = torch.arange(tiny_store.n_users)
    scores = torch.cat(list(mixture.score_catalogue(users, cells)))
    user, film = torch.meshgrid(users, torch.arange(tiny_store.n_films), indexing="ij")
    pairs = Pairs(user.flatten(), film.flatten(), None, torch.full((user.numel(),), -1))
    assert scores.flatten().tolist() == approx(mixture.score(pairs).tolist(), abs=1e-4)


def test_one_network_that_runs_on_each_pair_makes_the_whole_a_slow_one(members):
    assert not Mixture(members, WEIGHTS).scores_by_product
    assert Mixture(members[:2], (0.5, 0.5)).scores_by_product
