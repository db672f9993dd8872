"""The train ratings by row, by user and by film."""

from __future__ import annotations

import weakref
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from pytest import approx
from recsys_search.model.store.train_store import Pairs, TrainStore


def groups(grouping):
    """The rows of each group."""
    edges = grouping.offsets.tolist()
    rows = grouping.rows.tolist()
    assert edges[0] == 0 and edges[-1] == len(rows)
    return [rows[low:high] for low, high in pairwise(edges)]


def test_a_users_rows_are_together_and_sorted_by_time(tiny_store):
    assert groups(tiny_store.by_user) == [[1, 2, 0], [], [4, 3], [8, 5, 6, 7]]


def test_a_films_rows_are_together_and_sorted_by_time(tiny_store):
    assert groups(tiny_store.by_film) == [[0, 3, 5], [1, 6], [], [2, 4, 7], [8]]


def test_others_are_the_other_side_of_each_row(tiny_store):
    assert tiny_store.by_user.others.tolist() == tiny_store.film[tiny_store.by_user.rows].tolist()
    assert tiny_store.by_film.others.tolist() == tiny_store.user[tiny_store.by_film.rows].tolist()


def test_counts_are_the_sizes_of_the_groups(tiny_store):
    assert tiny_store.by_user.counts.tolist() == [3, 0, 2, 4]
    assert tiny_store.by_film.counts.tolist() == [3, 2, 0, 3, 1]
    assert (tiny_store.n_users, tiny_store.n_films, len(tiny_store)) == (4, 5, 9)


def test_the_group_of_each_row_follows_from_the_offsets(tiny_store):
    for grouping, index in (
        (tiny_store.by_user, tiny_store.user),
        (tiny_store.by_film, tiny_store.film),
    ):
        assert grouping.group.tolist() == index[grouping.rows].tolist()


def test_a_groupings_matrix_has_a_value_for_each_rating(tiny_store):
    users = tiny_store.by_user
    dense = users.matrix(tiny_store.rating[users.rows], 5).to_dense()
    assert dense.count_nonzero() == 9
    assert dense[tiny_store.user, tiny_store.film].tolist() == tiny_store.rating.tolist()


def test_trainings_on_a_cpu_share_a_store_while_the_ratings_are_in_use(tiny_ratings):
    cpu, ratings = torch.device("cpu"), replace(tiny_ratings)
    store = weakref.ref(TrainStore.of(ratings, cpu))
    assert TrainStore.of(ratings, cpu) is store()
    assert TrainStore.of(tiny_ratings, cpu) is not store()
    del ratings
    assert store() is None


def test_without_timestamps_rows_keep_their_order(tiny_ratings):
    untimed = TrainStore.build(replace(tiny_ratings, timestamp=None), torch.device("cpu"))
    assert groups(untimed.by_user) == [[0, 1, 2], [], [3, 4], [5, 6, 7, 8]]
    assert untimed.pairs(torch.tensor([0])).timestamp is None


def test_the_mean_is_that_of_the_train_ratings(tiny_store):
    assert tiny_store.mean == approx((4 + 1 + 5 + 3.5 + 2 + 0.5 + 3 + 4 + 4.5) / 9)


def test_pairs_of_train_rows_have_their_own_row(tiny_store):
    pairs = tiny_store.pairs(torch.tensor([7, 1]))
    assert pairs.user.tolist() == [3, 0]
    assert pairs.film.tolist() == [3, 1]
    assert pairs.timestamp.tolist() == [70, 10]
    assert pairs.row.tolist() == [7, 1]


def test_held_out_pairs_have_no_train_row(tiny_store, tiny_ratings):
    pairs = tiny_store.held_out(tiny_ratings.take(np.array([2, 5])))
    assert (pairs.user.tolist(), pairs.film.tolist()) == ([0, 3], [3, 0])
    assert pairs.timestamp.tolist() == [20, 60]
    assert pairs.row.tolist() == [-1, -1]


def test_rows_of_finds_every_train_rating(tiny_store):
    assert tiny_store.rows_of(tiny_store.user, tiny_store.film).tolist() == list(range(9))


def test_rows_of_is_minus_one_for_every_other_pair(tiny_store):
    rated = set(zip(tiny_store.user.tolist(), tiny_store.film.tolist(), strict=True))
    others = [(u, i) for u in range(-1, 4) for i in range(-1, 5) if (u, i) not in rated]
    user, film = torch.tensor(others).T
    assert tiny_store.rows_of(user, film).tolist() == [-1] * len(others)


def test_an_unknown_film_is_not_confused_with_the_last_one_of_the_previous_user(tiny_ratings):
    film = np.array([0, 1, 4, *tiny_ratings.film[3:]])
    store = TrainStore.build(replace(tiny_ratings, film=film), torch.device("cpu"))
    assert store.rows_of(torch.tensor([0, 1]), torch.tensor([4, -1])).tolist() == [2, -1]


def test_a_pair_is_known_if_its_user_and_film_have_train_ratings(tiny_store):
    user = torch.tensor([0, 1, 0, -1, 0, -1])
    film = torch.tensor([4, 0, 2, 0, -1, -1])
    pairs = Pairs(user, film, None, torch.full((6,), -1))
    assert tiny_store.are_known(pairs).tolist() == [True, False, False, False, False, False]


def test_a_slice_of_pairs_has_the_slice_of_every_column(tiny_store):
    pairs = tiny_store.pairs(torch.arange(9))[2:4]
    assert (pairs.user.tolist(), pairs.film.tolist(), pairs.row.tolist()) == (
        [0, 2],
        [3, 0],
        [2, 3],
    )
    assert pairs.timestamp.tolist() == [20, 50]
    assert len(pairs) == 2
