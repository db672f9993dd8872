"""The train ratings by row, by user and by film."""

from __future__ import annotations

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


def test_a_users_rows_are_together_and_sorted_by_time(few):
    assert groups(few.by_user) == [[1, 2, 0], [], [4, 3], [8, 5, 6, 7]]


def test_a_films_rows_are_together_and_sorted_by_time(few):
    assert groups(few.by_film) == [[0, 3, 5], [1, 6], [], [2, 4, 7], [8]]


def test_a_groups_others_are_its_rows_other_side(few):
    assert few.by_user.others.tolist() == few.film[few.by_user.rows].tolist()
    assert few.by_film.others.tolist() == few.user[few.by_film.rows].tolist()


def test_counts_are_the_sizes_of_the_groups(few):
    assert few.by_user.counts.tolist() == [3, 0, 2, 4]
    assert few.by_film.counts.tolist() == [3, 2, 0, 3, 1]
    assert (few.n_users, few.n_films, len(few)) == (4, 5, 9)


def test_without_timestamps_rows_stay_in_their_order(few_ratings):
    timeless = TrainStore.build(replace(few_ratings, timestamp=None), torch.device("cpu"))
    assert groups(timeless.by_user) == [[0, 1, 2], [], [3, 4], [5, 6, 7, 8]]
    assert timeless.pairs(torch.tensor([0])).timestamp is None


def test_the_mean_is_that_of_the_train_ratings(few):
    assert few.mean == approx((4 + 1 + 5 + 3.5 + 2 + 0.5 + 3 + 4 + 4.5) / 9)


def test_pairs_of_train_rows_name_their_own_row(few):
    pairs = few.pairs(torch.tensor([7, 1]))
    assert pairs.user.tolist() == [3, 0]
    assert pairs.film.tolist() == [3, 1]
    assert pairs.timestamp.tolist() == [70, 10]
    assert pairs.row.tolist() == [7, 1]


def test_held_out_pairs_have_no_train_row(few, few_ratings):
    pairs = few.held_out(few_ratings.take(np.array([2, 5])))
    assert (pairs.user.tolist(), pairs.film.tolist()) == ([0, 3], [3, 0])
    assert pairs.timestamp.tolist() == [20, 60]
    assert pairs.row.tolist() == [-1, -1]


def test_rows_of_finds_every_train_rating(few):
    assert few.rows_of(few.user, few.film).tolist() == list(range(9))


def test_rows_of_says_minus_one_for_every_other_pair(few):
    rated = set(zip(few.user.tolist(), few.film.tolist(), strict=True))
    others = [(u, i) for u in range(-1, 4) for i in range(-1, 5) if (u, i) not in rated]
    user, film = torch.tensor(others).T
    assert few.rows_of(user, film).tolist() == [-1] * len(others)


def test_an_unknown_film_is_not_taken_for_the_previous_users_last_one(few_ratings):
    film = np.array([0, 1, 4, *few_ratings.film[3:]])
    store = TrainStore.build(replace(few_ratings, film=film), torch.device("cpu"))
    assert store.rows_of(torch.tensor([0, 1]), torch.tensor([4, -1])).tolist() == [2, -1]


def test_a_user_or_film_is_known_by_its_train_ratings(few):
    user = torch.tensor([0, 1, 0, -1, 0, -1])
    film = torch.tensor([4, 0, 2, 0, -1, -1])
    pairs = Pairs(user, film, None, torch.full((6,), -1))
    assert few.knows(pairs).tolist() == [True, False, False, False, False, False]


def test_some_of_the_pairs_keep_their_columns_together(few):
    pairs = few.pairs(torch.arange(9))[2:4]
    assert (pairs.user.tolist(), pairs.film.tolist(), pairs.row.tolist()) == (
        [0, 2],
        [3, 0],
        [2, 3],
    )
    assert pairs.timestamp.tolist() == [20, 50]
    assert len(pairs) == 2
