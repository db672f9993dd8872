"""The prepared store: the same ratings, opened at once, and never half of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.ratings import Films, Ratings
from recsys_search.data.sets import prepared_store as module
from recsys_search.data.sets.loading import PREPARED, load_ratings
from recsys_search.data.sets.prepared_store import META, open_columns, prepared, save_columns
from recsys_search.errors import DataError

RATINGS = "userId,movieId,rating,timestamp\n1,10,3,0\n1,20,4,60\n2,10,5,86400\n"
FILMS = "movieId,title,genres\n10,Ten (1990),Drama|War\n20,Äther,(no genres listed)\n"


@pytest.fixture
def folder(tmp_path):
    """A dataset of three ratings."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "ratings.csv").write_text(RATINGS)
    (folder / "movies.csv").write_text(FILMS)
    return folder


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "data" / PREPARED


def load(folder, cache):
    return load_ratings(str(folder), cache.parent)


def kept(cache):
    """Folders of the cache, hidden ones included."""
    return sorted(cache.iterdir()) if cache.exists() else []


def same(one: Ratings, other: Ratings) -> bool:
    """Whether every field is equal, and of one type."""

    def equal(a, b):
        if isinstance(a, np.ndarray):
            return a.dtype == b.dtype and np.array_equal(a, b)
        if isinstance(a, Films):
            return all(equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(Films))
        return a == b and type(a) is type(b)

    return all(equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(Ratings))


def test_what_is_opened_is_what_was_read(folder, cache):
    read, opened = load(folder, cache), load(folder, cache)
    assert read.films.titles.tolist() == ["Ten (1990)", "Äther"]
    assert same(read, opened)
    assert opened.fingerprint == replace(opened).fingerprint  # worked out anew


@pytest.mark.parametrize("without", ["timestamp", "films"])
def test_columns_that_a_dataset_lacks_are_none_again(tmp_path, without):
    ratings = demo_ratings(50, n_users=5, n_films=20)
    if without == "timestamp":
        ratings = replace(ratings, timestamp=None)
    else:
        genres = np.zeros((ratings.n_films, 0), bool)
        films = replace(ratings.films, titles=None, genres=genres, genre_names=())
        ratings = replace(ratings, films=films)
    save_columns(ratings, tmp_path / "columns")
    opened = open_columns(tmp_path / "columns")
    assert opened.fingerprint == ratings.fingerprint == replace(opened).fingerprint
    assert (opened.timestamp is None) == (without == "timestamp")
    assert (opened.films.titles is None) == (without == "films")


def test_the_second_time_no_file_is_parsed(folder, cache, monkeypatch):
    load(folder, cache)
    monkeypatch.setattr("recsys_search.data.sets.loading.read_folder", None)
    assert len(load(folder, cache)) == 3


def test_a_part_of_prepared_ratings_has_a_fingerprint_of_its_own(folder, cache):
    load(folder, cache)
    opened = load(folder, cache)
    assert opened.take(np.array([0, 1])).fingerprint != opened.fingerprint


def test_writing_to_a_column_changes_no_file(folder, cache):
    load(folder, cache)
    opened = load(folder, cache)
    opened.rating[:] = 1
    assert load(folder, cache).rating.tolist() == [3, 4, 5]


@pytest.mark.parametrize("file", ["ratings.csv", "movies.csv"])
def test_a_changed_file_is_read_anew_and_its_earlier_state_forgotten(folder, cache, file):
    before = load(folder, cache)
    text = (folder / file).read_text()
    changed = text.replace("1,20,4,60", "1,20,1,60").replace("Drama", "Crime")
    (folder / file).write_text(changed)  # as long as it was
    after = load(folder, cache)
    assert len(changed) == len(text)
    assert after.fingerprint != before.fingerprint or file == "movies.csv"
    assert after.films.genre_names != before.films.genre_names or file == "ratings.csv"
    assert len(kept(cache)) == 1
    assert same(load(folder, cache), after)


def test_films_that_come_later_are_seen(folder, cache):
    films = (folder / "movies.csv").rename(folder / "elsewhere.csv")
    assert load(folder, cache).films.titles is None
    films.rename(folder / "movies.csv")
    assert load(folder, cache).films.titles is not None


def test_two_folders_of_one_name_are_kept_apart(folder, cache, tmp_path):
    other = tmp_path / "other" / "mine"
    shutil.copytree(folder, other)
    (other / "ratings.csv").write_text(RATINGS.replace("2,10,5", "2,10,1"))
    for _ in range(2):
        assert load(folder, cache).rating.tolist() == [3, 4, 5]
        assert load(other, cache).rating.tolist() == [3, 4, 1]
    assert len(kept(cache)) == 2


def test_unreadable_ratings_leave_nothing_behind(folder, cache):
    (folder / "ratings.csv").write_text(RATINGS + "1,30,five,0\n")
    with pytest.raises(DataError, match="line 5"):
        load(folder, cache)
    assert kept(cache) == []


@pytest.mark.parametrize(
    "damage", ["meta", "json", "column", "cut", "empty", "header", "shorter", "other meta"]
)
def test_a_damaged_store_is_made_anew(folder, cache, damage):
    whole = load(folder, cache).take(np.arange(3))  # copies, which the damage does not reach
    [store] = kept(cache)
    if damage == "meta":
        (store / META).unlink()
    elif damage == "json":
        (store / META).write_text("{")
    elif damage == "column":
        (store / "timestamp.npy").unlink()
    elif damage == "cut":
        with (store / "user.npy").open("r+b") as file:
            file.truncate(140)
    elif damage == "empty":
        (store / "user.npy").write_bytes(b"")
    elif damage == "header":
        text = (store / "user.npy").read_bytes()
        (store / "user.npy").write_bytes(text.replace(b"'descr': ", b"'descr'(("))
    elif damage == "shorter":
        np.save(store / "film.npy", np.array([0, 1]))
    else:
        (store / META).write_text(json.dumps({"columns": 3}))
    assert same(load(folder, cache), whole)
    assert same(open_columns(kept(cache)[0]), whole)


def test_a_break_while_writing_leaves_nothing_that_could_be_found(folder, cache, monkeypatch):
    """As when the process is interrupted: the columns are there, their description is not."""

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.json, "dump", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(folder, cache)
    assert kept(cache) == []


def test_where_nothing_can_be_kept_the_ratings_are_read_each_time(folder, tmp_path):
    (tmp_path / "data").write_text("a file, no folder")
    for _ in range(2):
        assert len(load_ratings(str(folder), tmp_path / "data")) == 3


def test_a_full_disk_costs_time_alone(folder, cache, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.np, "save", full)
    assert len(load(folder, cache)) == 3
    assert kept(cache) == []


def test_a_file_that_changes_while_it_is_read_is_not_kept(folder, cache):
    def read():
        (folder / "ratings.csv").write_text(RATINGS.replace("2,10,5", "2,10,1"))
        return demo_ratings(50, n_users=5, n_films=20)

    def state():
        return module.files_version([folder / "ratings.csv"])

    prepared("mine", source="here", version=state, read=read, cache=cache)
    assert kept(cache) == []


def test_a_name_of_any_characters_makes_a_folder(cache):
    ratings = demo_ratings(50, n_users=5, n_films=20)
    for name in ("a/b", "*[x]", "ä" * 300, ".."):
        for _ in range(2):
            prepared(name, source=name, version=lambda: "1", read=lambda: ratings, cache=cache)
    assert len(kept(cache)) == 4


def test_generated_ratings_of_a_size_are_kept_with_what_is_expected_of_them(cache, monkeypatch):
    generated = load_ratings("demo:2k", cache.parent)
    monkeypatch.setattr("recsys_search.data.demo.sizes.demo_ratings", None)
    opened = load_ratings("demo:2000", cache.parent)
    assert same(generated, opened)
    assert opened.name == "demo:2k" and opened.expected is not None
    assert len(kept(cache)) == 1


def test_a_changed_generator_generates_anew(cache, monkeypatch):
    load_ratings("demo:2k", cache.parent)
    before = kept(cache)
    monkeypatch.setattr("recsys_search.data.sets.loading.generator_version", lambda: "of tomorrow")
    load_ratings("demo:2k", cache.parent)
    assert len(kept(cache)) == 1 and kept(cache) != before
