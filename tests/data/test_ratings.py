"""The order of ratings by user, by film and in time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from recsys_search.data.demo.generator import demo_ratings


@pytest.fixture
def ratings():
    """Five ratings by users 0 and 1 of films 0 to 2, at most 25 s apart."""
    generated = demo_ratings(5, n_users=2, n_films=3)
    user, film, timestamp = np.array([[0, 0, 0, 1, 1], [0, 1, 2, 0, 2], [30, 10, 20, 5, 5]])
    return replace(generated, user=user, film=film, timestamp=timestamp)


def test_a_users_rows_are_sorted_by_time_then_row(ratings):
    assert ratings.rows_by_user.tolist() == [1, 2, 0, 3, 4]


def test_a_films_rows_are_sorted_by_time_then_row(ratings):
    assert ratings.rows_by_film.tolist() == [3, 0, 1, 4, 2]


def test_without_timestamps_rows_keep_their_order(ratings):
    untimed = replace(ratings, timestamp=None)
    assert untimed.rows_by_user.tolist() == [0, 1, 2, 3, 4]
    assert untimed.rows_by_film.tolist() == [0, 3, 1, 2, 4]


def test_timestamps_too_far_apart_for_one_sort_key_are_sorted_correctly(ratings):
    spread = replace(ratings, timestamp=(ratings.timestamp - 15) * 2**58)
    assert spread.rows_by_user.tolist() == [1, 2, 0, 3, 4]
    assert spread.rows_by_film.tolist() == [3, 0, 1, 4, 2]


def test_an_empty_subset_has_no_rows(ratings):
    assert ratings.take(np.array([], np.int64)).rows_by_user.tolist() == []
