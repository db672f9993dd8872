"""Ratings in Parquet files."""

from __future__ import annotations

import sys

import pandas as pd
import pytest
from recsys_search.data.formats.ratings_files import read_ratings
from recsys_search.data.tables.columns import ReadOptions
from recsys_search.errors import DataError

pytest.importorskip("pyarrow")


def write(path, **columns):
    pd.DataFrame(columns).to_parquet(path)
    return path


def test_numbers_and_dates_are_read(tmp_path):
    times = pd.to_datetime(["2000-07-30 18:45:03", "2000-07-30 18:20:47"])
    ids = {"userId": [2, 1], "movieId": [10, 20]}
    path = write(tmp_path / "ratings.parquet", **ids, rating=[4, 3], timestamp=times)
    for ratings in (read_ratings(tmp_path), read_ratings(path)):
        assert ratings.user_ids.tolist() == [1, 2]
        assert ratings.rating.tolist() == [3, 4]
        assert ratings.timestamp.tolist() == [964981247, 964982703]


def test_text_ids_and_named_columns_are_read(tmp_path):
    path = write(tmp_path / "x.parquet", who=["a", "b"], asin=["B01", "B02"], stars=[4.5, 3.0])
    ratings = read_ratings(path, ReadOptions({"user": "who"}))
    assert ratings.user_ids.tolist() == ["a", "b"]
    assert ratings.films.ids.tolist() == ["B01", "B02"]


def test_ids_that_became_floats_are_whole_numbers(tmp_path):
    path = write(tmp_path / "x.parquet", user=[1.0, 2.0], item=[10, 20], rating=[4.5, 3.0])
    assert read_ratings(path).user_ids.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": [1, 1], "item": [10, 10], "rating": [1, 2]}, "row 2: user 1 already rated film "),
        ({"user": [1, None], "item": [1, 2], "rating": [1, 2]}, "row 2: user is empty; "),
        ({"user": [1, 2], "item": [1, 2], "rating": [1, float("inf")]}, "row 2: rating inf is not"),
        ({"user": [1, 2], "item": [1, 2], "rating": ["a", "b"]}, "row 1: rating is not a number; "),
        ({"user": [1, 2], "item": [1, 2]}, "has no column 'rating', found 'user', 'item'; "),
        ({"user": [1.5, 2], "item": [1, 2], "rating": [1, 2]}, "row 1: user '1.5' is not a whole"),
    ],
)
def test_an_invalid_value_is_named_with_its_row(tmp_path, columns, message):
    path = write(tmp_path / "x.parquet", **columns)
    with pytest.raises(DataError) as caught:
        read_ratings(path)
    assert str(caught.value).startswith(f"{path} {message}")


def test_a_message_about_columns_has_one_remedy(tmp_path):
    path = write(tmp_path / "x.parquet", user=[1], customer_id=[2], item=[1], rating=[4])
    with pytest.raises(DataError) as caught:
        read_ratings(path)
    several = "has several columns that could be the user: 'user' and 'customer_id'"
    assert str(caught.value) == f"{path} {several}; choose one with --columns user=user"


def test_a_damaged_file_is_an_error(tmp_path):
    (tmp_path / "ratings.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match=r"ratings\.parquet is damaged: .*; copy it again"):
        read_ratings(tmp_path)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    write(tmp_path / "ratings.parquet", user=[1], item=[1], rating=[1])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"needs pyarrow .*pip install 'recsys-search\[parquet\]'"):
        read_ratings(tmp_path)
