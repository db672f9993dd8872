"""What a split says about itself: times that decide nothing, and pairs that no model knows."""

from __future__ import annotations

import numpy as np
import pytest
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import open_test, split_ratings
from recsys_search.data.splits.times import format_time
from recsys_search.errors import DataError

from .test_split import rated

NEW_YEAR = 1_104_537_600  # 2005-01-01
DAY = 86_400


def notes(ratings, split):
    return split_ratings(ratings, SplitSpec.parse(split)).notes


def time_notes(ratings, split):
    return split_ratings(ratings, SplitSpec.parse(split)).cut_notes


def dated(days, *, films=4):
    """One rating of each of several users and films per day, from New Year on; time is the date."""
    return rated(
        *(
            (user, film, NEW_YEAR + DAY * day)
            for user, day in enumerate(days)
            for film in range(films)
        )
    )


def test_a_temporal_split_of_ratings_with_one_time_is_refused():
    ratings = dated([0] * 5)
    with pytest.raises(DataError) as caught:
        split_ratings(ratings, SplitSpec.parse("temporal:60/20/20"))
    assert str(caught.value) == (
        "all 20 ratings of tiny have the same time (2005-01-01), so a temporal split would be by "
        "user id; choose a split that does not use time, such as 80/10/10"
    )
    with pytest.raises(DataError, match="have the same time"):
        open_test(ratings, SplitSpec.parse("temporal:60/20/20"))


def test_a_boundary_within_one_day_is_reported_with_its_ratings():
    """Users 1 to 3 rate on the second day; the first boundary is after 12 ratings, in that day."""
    [note] = time_notes(dated([0, 1, 1, 1, 2]), "temporal:60/20/20")
    assert note == (
        "12 ratings have the same time (2005-01-02) as the boundary between train and validation; "
        "which side they are on is decided by user and film id, not by time"
    )


def test_both_boundaries_are_reported_where_both_are_within_one_time():
    first, second = time_notes(dated([0, 1, 1, 1, 1]), "temporal:60/20/20")
    assert "between train and validation;" in first
    assert "16 ratings have the same time (2005-01-02) as the boundary between valid" in second


def test_a_boundary_between_two_times_is_not_reported():
    assert time_notes(dated([0, 0, 0, 1, 2]), "temporal:60/20/20") == ()
    assert time_notes(dated([0] * 5), "60/20/20") == ()  # time is not used


def test_without_a_test_part_there_is_one_boundary():
    ratings = dated([0, 1, 1, 1, 1])
    [note] = time_notes(ratings, "temporal:60/40/0")
    assert "between train and validation;" in note


def test_leave_last_k_counts_users_whose_newest_ratings_are_as_old_as_those_in_train():
    """User 1 has four times, user 2 two (three films at once), user 3 one."""
    films = (10, 20, 30, 40)
    ratings = rated(
        *((1, film, film) for film in films),
        *((2, film, max(film, 30)) for film in films),
        *((3, film, 5) for film in films),
    )
    [note] = time_notes(ratings, "leave-last-1")
    assert note in notes(ratings, "leave-last-1")
    assert note == (
        "2 of 3 users have held-out ratings with the same time as ratings that stay in train (1 of "
        "them rated all films at one time); which are held out is decided by film id, not by time"
    )


def test_leave_last_k_reports_nothing_where_the_newest_ratings_are_newer():
    """Validation and test of a user share a time; train does not."""
    ratings = rated(*((user, film, min(film, 30)) for user in (1, 2) for film in (10, 20, 30, 40)))
    assert time_notes(ratings, "leave-last-1") == ()


def test_leave_last_k_is_refused_where_no_user_has_two_times():
    ratings = rated(*((user, film, user) for user in (1, 2) for film in (10, 20, 30, 40)))
    with pytest.raises(DataError) as caught:
        split_ratings(ratings, SplitSpec.parse("leave-last-1"))
    assert str(caught.value) == (
        "no user in tiny has ratings of different times, so a leave-last-1 split would be by film "
        "id; choose a split that does not use time, such as 80/10/10"
    )


@pytest.mark.parametrize(
    ("timestamp", "shown"),
    [
        (NEW_YEAR, "2005-01-01"),
        (NEW_YEAR + 3_661, "2005-01-01 01:01:01"),
        (-1, "1969-12-31 23:59:59"),
        (10**12, "33658-09-27 01:46:40"),
    ],
)
def test_a_time_is_shown_as_a_date_in_utc(timestamp, shown):
    assert format_time(np.int64(timestamp)) == shown


# Pairs that no model knows.


def test_validation_ratings_of_new_users_only_are_reported():
    """The newest users have no earlier ratings."""
    [note] = notes(dated([0, 0, 0, 1, 2]), "temporal:60/20/20")
    assert note == (
        "none of the 4 validation ratings has both its user and its film in train, so all are "
        "predicted from the biases, or from side features where the model uses any, and validation "
        "figures do not show what a model learns from ratings; use more ratings of each user and "
        "film, or choose a split at random, such as 80/10/10"
    )


def test_a_random_split_of_one_rating_per_user_and_film_is_reported_without_another_split():
    [note] = notes(rated(*((at, at, at) for at in range(10))), "60/20/20")
    assert note.endswith("learns from ratings; use more ratings of each user and film")


def test_few_known_pairs_are_counted():
    """In validation, by time: user 0 again, who is known, and four new users."""
    old = ((user, film, 0) for user in (0, 1) for film in range(5))
    new = ((user, 0, 1) for user in (5, 6, 7, 8))
    [note] = notes(rated(*old, (0, 9, 0), (1, 9, 2), *new), "temporal:70/30/0")[-1:]
    assert note == (
        "only 1 of 5 validation ratings have both their user and their film in train; the others "
        "are predicted from the biases, or from side features where the model uses any"
    )


def test_nothing_is_said_if_half_of_the_pairs_are_known():
    old = ((user, film, 0) for user in (0, 1) for film in range(4))
    ratings = rated(*old, (0, 9, 0), (1, 9, 2), (8, 9, 2))
    assert notes(ratings, "temporal:82/18/0") == ()
