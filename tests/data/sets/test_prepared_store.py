"""The prepared store returns the same ratings as reading, and never incomplete ones."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.ratings import Films, Ratings, Users
from recsys_search.data.sets import column_files
from recsys_search.data.sets import prepared_store as module
from recsys_search.data.sets.column_files import META
from recsys_search.data.sets.loading import PREPARED_FOLDER, load_ratings
from recsys_search.data.sets.prepared_store import load_prepared, open_ratings, save_ratings
from recsys_search.errors import DataError

RATINGS = "userId,movieId,rating,timestamp\n1,10,3,0\n1,20,4,60\n2,10,5,86400\n"
FILMS = "movieId,title,genres\n10,Ten (1990),Drama|War\n20,Äther,(no genres listed)\n"
USERS = "userId,age,gender\n1,30,F\n2,,M\n"


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
    return tmp_path / "data" / PREPARED_FOLDER


def load(folder, cache):
    return load_ratings(str(folder), cache.parent)


def stored(cache):
    """Folders in the cache, including hidden ones."""
    return sorted(cache.iterdir()) if cache.exists() else []


def same(one: Ratings, other: Ratings) -> bool:
    """Whether all fields have equal values and types, wherever they are kept."""

    def equal(a, b):
        if isinstance(a, np.ndarray):
            return a.dtype == b.dtype and np.array_equal(a, b)
        if isinstance(a, Films | Users):
            return all(equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
        return a == b and type(a) is type(b)

    names = {f.name for f in fields(Ratings)} - {"prepared"}
    return all(equal(getattr(one, name), getattr(other, name)) for name in names)


def test_the_opened_ratings_equal_the_read_ones(folder, cache):
    read, opened = load(folder, cache), load(folder, cache)
    assert read.films.titles.tolist() == ["Ten (1990)", "Äther"]
    assert same(read, opened)
    assert opened.fingerprint == replace(opened).fingerprint  # computed again


def test_users_are_stored_with_the_ratings_and_read_again_when_their_file_changes(folder, cache):
    assert load(folder, cache).users is None
    (folder / "users.csv").write_text(USERS)
    read, opened = load(folder, cache), load(folder, cache)
    assert opened.users.age.tolist() == [30, 0]
    assert opened.users.group_names == ("gender F", "gender M")
    assert same(read, opened)
    assert opened.fingerprint == replace(opened).fingerprint  # computed again
    (folder / "users.csv").write_text(USERS.replace("30", "31"))
    assert load(folder, cache).users.age.tolist() == [31, 0]
    assert len(stored(cache)) == 1


def test_a_store_of_an_earlier_format_is_rebuilt(folder, cache, monkeypatch):
    (folder / "users.csv").write_text(USERS)
    with monkeypatch.context() as earlier:
        earlier.setattr(module, "FORMAT", module.FORMAT - 1)
        load(folder, cache)
    before = stored(cache)
    assert load(folder, cache).users is not None
    assert len(stored(cache)) == 1 and stored(cache) != before


@pytest.mark.parametrize("without", ["timestamp", "films"])
def test_missing_columns_are_none_after_opening(tmp_path, without):
    ratings = demo_ratings(50, n_users=5, n_films=20)
    if without == "timestamp":
        ratings = replace(ratings, timestamp=None)
    else:
        genres = np.zeros((ratings.n_films, 0), bool)
        films = replace(ratings.films, titles=None, genres=genres, genre_names=())
        ratings = replace(ratings, films=films)
    save_ratings(ratings, tmp_path / "columns")
    opened = open_ratings(tmp_path / "columns")
    assert opened.fingerprint == ratings.fingerprint == replace(opened).fingerprint
    assert (opened.timestamp is None) == (without == "timestamp")
    assert (opened.films.titles is None) == (without == "films")


def test_the_second_load_parses_no_file(folder, cache, monkeypatch):
    load(folder, cache)
    monkeypatch.setattr("recsys_search.data.sets.loading.read_ratings", None)
    assert len(load(folder, cache)) == 3


def test_a_subset_of_prepared_ratings_has_another_fingerprint(folder, cache):
    load(folder, cache)
    opened = load(folder, cache)
    assert opened.take(np.array([0, 1])).fingerprint != opened.fingerprint


def test_writing_to_a_column_changes_no_file(folder, cache):
    load(folder, cache)
    opened = load(folder, cache)
    opened.rating[:] = 1
    assert load(folder, cache).rating.tolist() == [3, 4, 5]


@pytest.mark.parametrize("file", ["ratings.csv", "movies.csv"])
def test_a_changed_file_is_read_again_and_its_earlier_version_removed(folder, cache, file):
    before = load(folder, cache)
    text = (folder / file).read_text()
    changed = text.replace("1,20,4,60", "1,20,1,60").replace("Drama", "Crime")
    (folder / file).write_text(changed)  # of the same length
    after = load(folder, cache)
    assert len(changed) == len(text)
    assert after.fingerprint != before.fingerprint or file == "movies.csv"
    assert after.films.genre_names != before.films.genre_names or file == "ratings.csv"
    assert len(stored(cache)) == 1
    assert same(load(folder, cache), after)


def test_a_film_file_added_later_is_read(folder, cache):
    films = (folder / "movies.csv").rename(folder / "elsewhere.csv")
    assert load(folder, cache).films.titles is None
    films.rename(folder / "movies.csv")
    assert load(folder, cache).films.titles is not None


def test_two_folders_with_the_same_name_are_stored_separately(folder, cache, tmp_path):
    other = tmp_path / "other" / "mine"
    shutil.copytree(folder, other)
    (other / "ratings.csv").write_text(RATINGS.replace("2,10,5", "2,10,1"))
    for _ in range(2):
        assert load(folder, cache).rating.tolist() == [3, 4, 5]
        assert load(other, cache).rating.tolist() == [3, 4, 1]
    assert len(stored(cache)) == 2


def test_unreadable_ratings_leave_nothing_behind(folder, cache):
    (folder / "ratings.csv").write_text(RATINGS + "1,30,five,0\n")
    with pytest.raises(DataError, match="line 5"):
        load(folder, cache)
    assert stored(cache) == []


@pytest.mark.parametrize(
    "damage", ["meta", "json", "column", "truncated", "empty", "header", "shorter", "other meta"]
)
def test_a_damaged_store_is_rebuilt(folder, cache, damage):
    original = load(folder, cache).take(np.arange(3))  # copies, which the damage does not affect
    [store] = stored(cache)
    if damage == "meta":
        (store / META).unlink()
    elif damage == "json":
        (store / META).write_text("{")
    elif damage == "column":
        (store / "timestamp.npy").unlink()
    elif damage == "truncated":
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
    assert same(load(folder, cache), original)
    assert same(open_ratings(stored(cache)[0]), original)


def test_an_interrupt_while_writing_leaves_nothing_behind(folder, cache, monkeypatch):
    """The interrupt comes after the columns are written and before their description is."""

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(column_files.json, "dump", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(folder, cache)
    assert stored(cache) == []


def test_without_a_writable_cache_the_ratings_are_read_each_time(folder, tmp_path):
    (tmp_path / "data").write_text("a file, not a folder")
    for _ in range(2):
        assert len(load_ratings(str(folder), tmp_path / "data")) == 3


def test_on_a_full_disk_the_ratings_are_read_and_nothing_is_stored(folder, cache, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(column_files.np, "save", full)
    assert len(load(folder, cache)) == 3
    assert stored(cache) == []


def test_a_file_that_changes_while_it_is_read_is_not_stored(folder, cache):
    def read():
        (folder / "ratings.csv").write_text(RATINGS.replace("2,10,5", "2,10,1"))
        return demo_ratings(50, n_users=5, n_films=20)

    def version():
        return module.files_version([folder / "ratings.csv"])

    load_prepared("mine", source="here", version=version, read=read, cache=cache)
    assert stored(cache) == []


def test_any_dataset_name_makes_a_valid_folder_name(cache):
    ratings = demo_ratings(50, n_users=5, n_films=20)
    for name in ("a/b", "*[x]", "ä" * 300, ".."):
        for _ in range(2):
            load_prepared(name, source=name, version=lambda: "1", read=lambda: ratings, cache=cache)
    assert len(stored(cache)) == 4


def test_generated_ratings_are_stored_with_their_expected_ratings(cache, monkeypatch):
    generated = load_ratings("demo:2k", cache.parent)
    monkeypatch.setattr("recsys_search.data.demo.sizes.demo_ratings", None)
    opened = load_ratings("demo:2000", cache.parent)
    assert same(generated, opened)
    assert opened.name == "demo:2k" and opened.expected is not None
    assert len(stored(cache)) == 1


def test_a_changed_generator_generates_again(cache, monkeypatch):
    load_ratings("demo:2k", cache.parent)
    before = stored(cache)
    monkeypatch.setattr(
        "recsys_search.data.sets.loading.generator_version", lambda: "another version"
    )
    load_ratings("demo:2k", cache.parent)
    assert len(stored(cache)) == 1 and stored(cache) != before
