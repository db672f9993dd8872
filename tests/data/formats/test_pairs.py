"""Pairs to predict are read, and predictions written."""

from __future__ import annotations

import gzip
import os
from io import BytesIO, TextIOWrapper
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.formats.pairs import UserFilmPairs, read_pairs, write_predictions
from recsys_search.data.formats.ratings_files import read_ratings
from recsys_search.data.tables.columns import ReadOptions
from recsys_search.errors import DataError, OutputError


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "pairs.csv"
        path.write_text(text)
        return read_pairs(path)

    return read


def predictions(n):
    pairs = UserFilmPairs(np.arange(n), np.arange(n), None)
    return pairs, np.full(n, 3.5, np.float32), np.ones(n, bool)


def test_pairs_keep_their_order_and_duplicates(read):
    pairs = read("userId,movieId\n7,30\n2,10\n7,30\n")
    assert pairs.user_id.tolist() == [7, 2, 7]
    assert pairs.film_id.tolist() == [30, 10, 30]
    assert pairs.timestamp is None


def test_columns_may_be_in_any_order(read):
    pairs = read("movieId,timestamp,userId\n30,1500000000,7\n")
    assert (pairs.user_id[0], pairs.film_id[0], pairs.timestamp[0]) == (7, 30, 1_500_000_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("userId,movieId\n1,2\n1,2E+9\n", "line 3: movieId '2E+9' is rounded, "),
        ("userId,movieId\n1,2.5\n", "line 2: movieId '2.5' is not a whole number; "),
        ("userId,movieId\n,2\n", "line 2: userId is empty; "),
        (
            "userId,movieId,timestamp\n1,2,noon\n",
            "line 2: timestamp 'noon' is not a date in ISO 8601; ",
        ),
    ],
)
def test_an_invalid_value_is_reported_with_its_line(read, tmp_path, text, message):
    with pytest.raises(DataError) as caught:
        read(text)
    assert str(caught.value).startswith(f"{tmp_path}/pairs.csv {message}")


@pytest.mark.parametrize("text", ["userId,movieId\n", "userId,movieId\n\n"])
def test_a_file_without_pairs_is_refused(read, tmp_path, text):
    with pytest.raises(DataError) as caught:
        read(text)
    assert str(caught.value) == (f"{tmp_path}/pairs.csv has no pairs; add a line such as 1,296")


def test_ids_become_indices_and_unknown_ids_become_minus_one():
    ratings = demo_ratings(600, n_users=40, n_films=50)
    first, last = ratings.films.ids[0], ratings.films.ids[-1]
    pairs = UserFilmPairs(np.array([1, 40, 41, 0]), np.array([first, last, 9999, -5]), None)
    user, film = pairs.indices(ratings)
    assert user.tolist() == [0, 39, -1, -1]
    assert film.tolist() == [0, ratings.n_films - 1, -1, -1]


def test_text_ids_of_a_dataset_are_found_by_text(read, tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("user,item,rating\nanna,10,1\nzoe,B02,5\n")
    pairs = read("user,item\nzoe,10\nbob,B02\nanna,99\n")
    user, film = pairs.indices(read_ratings(path))
    assert user.tolist() == [1, -1, 0]
    assert film.tolist() == [0, 1, -1]


def test_numbers_are_found_among_text_ids(read, tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("user,item,rating\n007,B01,1\n12,B02,5\n")
    user, _ = read("user,item\n12,1\n7,2\n").indices(read_ratings(path))
    assert user.tolist() == [1, -1]


def test_text_is_no_id_of_a_dataset_with_numbers(read, tmp_path):
    pairs = read("userId,movieId\n1,1\nanna,1\n")
    with pytest.raises(DataError) as caught:
        pairs.indices(demo_ratings(600, n_users=40, n_films=50))
    assert str(caught.value) == (
        f"{tmp_path}/pairs.csv line 3: userId 'anna' is not a whole number, as the dataset's ids "
        "are; write an id such as 17"
    )


def test_pairs_may_have_the_datasets_own_column_names(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("who,what\n7,30\n")
    own = ReadOptions({"user": "who", "item": "what", "rating": "how"})
    assert read_pairs(path, own).user_id.tolist() == [7]
    for header in ("userId,movieId", "who,movieId", "user,what"):
        path.write_text(f"{header}\n7,30\n")
        assert read_pairs(path, own).film_id.tolist() == [30]
    timed = ReadOptions({**own.columns, "timestamp": "when"})
    assert read_pairs(path, timed).user_id.tolist() == [7]


def test_pairs_may_come_from_a_pipe_or_stdin(tmp_path, monkeypatch):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = Thread(target=lambda: fifo.write_text("userId,movieId\n7,30\n"))
    writer.start()
    assert read_pairs(fifo).film_id.tolist() == [30]
    writer.join()
    stdin = TextIOWrapper(BytesIO(b"userId,movieId\n7,x\n,5\n"))
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(DataError, match=r"^stdin line 3: userId is empty; "):
        read_pairs(Path("-"))


def test_pairs_may_be_compressed(tmp_path):
    (tmp_path / "pairs.csv.gz").write_bytes(gzip.compress(b"userId;movieId\n7;30\n"))
    assert read_pairs(tmp_path / "pairs.csv.gz").user_id.tolist() == [7]


def test_predictions_keep_text_ids(tmp_path):
    pairs = UserFilmPairs(np.array(["zoe"]), np.array(["007"]), None)
    out = tmp_path / "out.csv"
    write_predictions(out, pairs, np.array([3.5], np.float32), np.array([True]))
    assert out.read_text() == "userId,movieId,rating,known\nzoe,007,3.5,true\n"


def test_predictions_are_written_in_the_order_of_the_pairs(tmp_path):
    pairs = UserFilmPairs(np.array([7, 2]), np.array([30, 10]), None)
    rating = np.array([3.50004, 4.12346], np.float32)
    write_predictions(tmp_path / "out.csv", pairs, rating, np.array([True, False]))
    assert (tmp_path / "out.csv").read_text() == (
        "userId,movieId,rating,known\n7,30,3.5,true\n2,10,4.1235,false\n"
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.csv"]


def test_a_missing_folder_is_an_error(tmp_path):
    path = tmp_path / "none" / "out.csv"
    with pytest.raises(OutputError) as caught:
        write_predictions(path, *predictions(1))
    assert str(caught.value).startswith(f"{path} cannot be written: ")
    assert not str(caught.value).endswith("None")


def test_a_failed_write_leaves_no_file_behind(tmp_path):
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(OutputError, match=r"out\.csv cannot be written: it is a folder"):
        write_predictions(tmp_path / "out.csv", *predictions(1))
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.csv"]


def test_standard_deviations_are_the_last_column_if_there_are_any(tmp_path):
    out = tmp_path / "out.csv"
    write_predictions(out, *predictions(1), np.array([0.81234], np.float32))
    assert out.read_text() == "userId,movieId,rating,known,std\n0,0,3.5,true,0.8123\n"
