"""On ratings whose tastes are those of the users' groups, knowing the groups helps."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest
from recsys_search.data.formats.ratings_files import read_ratings
from recsys_search.model.architectures.two_tower import TwoTowerConfig


@pytest.fixture
def benchmark():
    return importlib.import_module("benchmarks.quality.user_features")


@pytest.fixture
def ratings(benchmark, tmp_path):
    """Eight ratings of each user."""
    sizes = {"n_users": 400, "n_films": 60, "per_user": 8}
    benchmark.write_ratings(tmp_path, **sizes, share=0.9, seed=0)
    return read_ratings(tmp_path)


def test_the_files_are_read_in_movielens_1ms_format(benchmark, ratings):
    assert (len(ratings), ratings.n_users, ratings.notes) == (3200, 400, ())
    assert set(ratings.users.age.tolist()) == set(benchmark.AGES)
    assert ratings.users.group_names[:2] == ("gender F", "gender M")
    assert len(ratings.users.group_names) == 2 + benchmark.N_OCCUPATIONS
    assert (ratings.users.groups.sum(1) == 2).all()


@pytest.mark.parametrize(("held_out", "gain"), [("ratings", 0.02), ("users", 0.01)])
def test_features_of_users_lower_the_validation_rmse(benchmark, ratings, held_out, gain):
    split = benchmark.CUTS[held_out](ratings, 0)
    without = replace(split, train=replace(split.train, users=None))
    config = TwoTowerConfig(max_epochs=10, batch_size=256, latent_dim=8, seed=0)
    biases, rmse = benchmark.validation_rmse(config, split)
    _, rmse_without = benchmark.validation_rmse(config, without)
    assert rmse < min(biases, rmse_without) - gain


def test_held_out_users_have_no_train_ratings(benchmark, ratings):
    split = benchmark.held_out_users(ratings, 0)
    assert len(split.train) + len(split.validation) == len(ratings)
    assert not np.isin(split.validation.user, split.train.user).any()


def test_every_other_user_is_described_no_more(benchmark, ratings):
    users = benchmark.with_half_described(ratings).users
    described = (users.age > 0) | users.groups.any(1)
    assert described.tolist() == [False, True] * 200
