"""Ratings in columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from recsys_search.data.demo.generator import demo_ratings


@pytest.fixture
def ratings():
    """Users 0 and 1, films 0 to 2, as user, film and second."""
    few = demo_ratings(5, n_users=2, n_films=3)
    user, film, second = np.array([[0, 0, 0, 1, 1], [0, 1, 2, 0, 2], [30, 10, 20, 5, 5]])
    return replace(few, user=user, film=film, timestamp=second)


def test_a_users_rows_are_sorted_by_time_then_row(ratings):
    assert ratings.rows_by_user.tolist() == [1, 2, 0, 3, 4]


def test_a_films_rows_are_sorted_by_time_then_row(ratings):
    assert ratings.rows_by_film.tolist() == [3, 0, 1, 4, 2]


def test_without_timestamps_rows_stay_in_their_order(ratings):
    timeless = replace(ratings, timestamp=None)
    assert timeless.rows_by_user.tolist() == [0, 1, 2, 3, 4]
    assert timeless.rows_by_film.tolist() == [0, 3, 1, 2, 4]


def test_times_too_far_apart_for_one_key_are_sorted_all_the_same(ratings):
    far = replace(ratings, timestamp=(ratings.timestamp - 15) * 2**58)
    assert far.rows_by_user.tolist() == [1, 2, 0, 3, 4]
    assert far.rows_by_film.tolist() == [3, 0, 1, 4, 2]


def test_no_ratings_have_an_empty_order(ratings):
    assert ratings.take(np.array([], np.int64)).rows_by_user.tolist() == []
