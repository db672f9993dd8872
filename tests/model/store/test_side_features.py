"""Genres and years, ages and groups in the two-tower model."""

from __future__ import annotations

from dataclasses import replace

import torch
from pytest import approx
from recsys_search.model.architectures.models import build_model
from recsys_search.model.store.side_features import side_features
from recsys_search.model.store.train_store import TrainStore


def test_a_year_is_interpolated_between_two_bins():
    """One bin per five years from the first known year: 1990, 1995, 2000."""
    genres = torch.tensor([[1.0], [0.0], [0.0], [1.0]])
    columns = side_features(genres, torch.tensor([1990, 1992, 1997, 0]))
    assert columns[:, 0].tolist() == [1, 0, 0, 1]
    assert columns[:, 1:].tolist() == [
        approx([1, 0, 0]),
        approx([0.6, 0.4, 0]),
        approx([0, 0.6, 0.4]),
        [0, 0, 0],
    ]


def test_without_years_the_columns_are_the_genres():
    genres = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert side_features(genres, torch.zeros(2, dtype=torch.int64)) is genres


def test_side_features_are_used_if_the_data_has_any_and_the_config_allows_it(small_config, split):
    store = TrainStore.build(split.train, torch.device("cpu"))
    bare = replace(
        store,
        genres=torch.zeros(store.n_films, 0),
        year=torch.zeros(store.n_films, dtype=torch.int64),
    )
    config = small_config("two_tower")
    assert build_model(config, store).side is not None
    assert build_model(config, bare).side is None
    assert build_model(replace(config, side=False), store).side is None


def test_the_store_has_the_features_of_users(split, with_users):
    ratings = with_users(split.train)
    store = TrainStore.build(ratings, torch.device("cpu"))
    assert store.age.tolist() == ratings.users.age.tolist()
    assert store.groups.bool().tolist() == ratings.users.groups.tolist()
    without = TrainStore.build(split.train, torch.device("cpu"))
    assert not without.age.any() and without.groups.shape == (without.n_users, 0)


def test_side_features_of_users_are_used_if_there_are_any(small_config, split, with_users):
    store = TrainStore.build(with_users(split.train), torch.device("cpu"))
    config = small_config("two_tower")
    assert build_model(config, store).user_side is not None
    assert build_model(replace(config, side=False), store).user_side is None
    bare = TrainStore.build(split.train, torch.device("cpu"))
    assert build_model(config, bare).user_side is None


def test_a_fresh_model_predicts_as_without_side_features(small_config, split, with_users):
    """Their linear maps start at 0."""
    store = TrainStore.build(with_users(split.train), torch.device("cpu"))
    predicted = []
    for side in (True, False):
        torch.manual_seed(0)
        model = build_model(small_config("two_tower", side=side), store)
        predicted.append(model.score(store.pairs(torch.arange(len(store)))))
    assert torch.equal(*predicted)


def test_films_without_ratings_differ_by_their_side_features(small_config, split):
    """With nonzero weights only on side features, films with equal features are equal."""
    store = TrainStore.build(split.train, torch.device("cpu"))
    model = build_model(small_config("two_tower"), store).eval()
    with torch.no_grad():
        for table in (model.film_rated, model.film_seen, model.user_rated, model.user_seen):
            table.weight.zero_()
        torch.manual_seed(0)
        for linear in (model.side.rated, model.side.seen, model.side.film):
            linear.weight.normal_(std=0.5)
        shared = model.encode_store()
    columns = model.side.columns
    same = (columns.unsqueeze(0) == columns.unsqueeze(1)).all(2)
    alike = (shared.films.side.unsqueeze(0) - shared.films.side.unsqueeze(1)).abs().amax(2) < 1e-6
    assert torch.equal(same, alike)
    assert not same.all()
