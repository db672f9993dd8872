"""The order of ratings by user, by film and in time; what a star is worth on their scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.ratings import Scale


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


@pytest.mark.parametrize("scale", [(0.5, 5), (1, 5), (0, 5), (1, 4), (2, 5), (-2, 2), (3, 3)])
def test_a_star_is_a_star_where_ratings_are_stars_or_a_sample_of_them(scale):
    assert Scale(*scale).star == 1.0


@pytest.mark.parametrize(
    ("scale", "star"),
    [((10, 100), 20), ((0.1, 1), 0.2), ((0, 1), 1 / 4.5), ((1, 10), 2), ((-10, 10), 20 / 4.5)],
)
def test_on_another_scale_a_star_is_worth_its_share_of_movielens_span(scale, star):
    assert Scale(*scale).star == pytest.approx(star)
