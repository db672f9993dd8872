"""Kept splits equal those that are cut again, and incomplete or outdated ones are not used."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from recsys_search.data.sets import column_files
from recsys_search.data.sets import prepared_splits as module
from recsys_search.data.sets.column_files import META
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.sets.prepared_splits import open_split
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import open_test, split_ratings
from recsys_search.errors import DataError

COLUMNS = ("user", "film", "rating", "timestamp", "expected", "rows_by_user", "rows_by_film")
SPECS = [
    SplitSpec(),
    SplitSpec(method="temporal"),
    SplitSpec(method="leave-last-k", k=3),
]


@pytest.fixture(autouse=True)
def small_splits_are_kept(monkeypatch):
    monkeypatch.setattr(module, "MIN_RATINGS", 0)


@pytest.fixture
def ratings(tmp_path):
    return load_ratings("demo:3K", tmp_path)


def stored(ratings):
    """Splits that are kept, and anything left behind."""
    return sorted(path for path in ratings.prepared.iterdir() if path.is_dir())


def assert_same(one, other):
    """Whether two splits are equal, the orders of their train ratings included."""
    for name in ("fingerprint", "spec", "n_users_kept_in_train", "cut_notes", "notes"):
        assert getattr(one, name) == getattr(other, name), name
    for part in ("train", "validation"):
        ours, theirs = getattr(one, part), getattr(other, part)
        assert (ours.scale, ours.notes, ours.folder) == (theirs.scale, theirs.notes, theirs.folder)
        assert ours.prepared is theirs.prepared is None
        for name in COLUMNS:
            assert np.array_equal(getattr(ours, name), getattr(theirs, name)), (part, name)


def is_mapped(column):
    return isinstance(column.base, np.memmap)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_an_opened_split_equals_the_one_that_was_cut(ratings, spec, monkeypatch):
    cut = split_ratings(ratings, spec)
    assert_same(open_split(ratings, spec), cut)
    monkeypatch.setattr(module, "split_ratings", None)  # from here on, all is opened
    opened = open_split(ratings, spec)
    assert is_mapped(opened.train.rating)
    assert is_mapped(opened.train.__dict__["rows_by_film"])
    assert_same(opened, cut)


def test_a_kept_split_has_no_test_ratings(ratings):
    open_split(ratings, SplitSpec())
    [folder] = stored(ratings)
    assert {path.name.split("_")[0] for path in folder.glob("*.npy")} == {"train", "validation"}
    sealed = open_test(ratings, SplitSpec())
    sealed_pairs = sealed.user * ratings.n_films + sealed.film
    assert len(sealed_pairs) == 300
    for part in ("train", "validation"):
        user, film = (np.load(folder / f"{part}_{name}.npy") for name in ("user", "film"))
        assert not np.isin(user * ratings.n_films + film, sealed_pairs).any()


def test_a_refit_and_a_recut_of_an_opened_split_are_those_of_the_cut_one(ratings):
    open_split(ratings, SplitSpec())
    opened, cut = open_split(ratings, SplitSpec()), split_ratings(ratings, SplitSpec())
    assert_same(opened.refit(), cut.refit())
    assert_same(opened.recut(3), cut.recut(3))


def test_ratings_without_times_are_kept_without(ratings):
    untimed = replace(ratings, timestamp=None)
    open_split(untimed, SplitSpec())
    assert_same(open_split(untimed, SplitSpec()), split_ratings(untimed, SplitSpec()))


def test_other_ratings_and_specs_have_splits_of_their_own(ratings):
    one, other = open_split(ratings, SplitSpec()), open_split(ratings, SplitSpec(seed=7))
    assert one.fingerprint != other.fingerprint
    assert_same(open_split(ratings, SplitSpec(seed=7)), other)
    assert len(stored(ratings)) == 2


def test_the_splits_that_were_used_last_are_kept(ratings):
    for n, seed in enumerate([1, 2, 1, 3]):
        split = open_split(ratings, SplitSpec(seed=seed))
        os.utime(ratings.prepared / f"split-{split.fingerprint}", (n, n))
    assert len(stored(ratings)) == module.N_KEPT == 2
    last = {split_ratings(ratings, SplitSpec(seed=seed)).fingerprint for seed in (1, 3)}
    assert {path.name for path in stored(ratings)} == {f"split-{each}" for each in last}


def test_splits_that_were_opened_lately_are_kept_since_a_study_may_map_them(ratings):
    for seed in (1, 2, 3):
        open_split(ratings, SplitSpec(seed=seed))
    assert len(stored(ratings)) == 3


def test_a_split_that_another_worker_has_kept_meanwhile_is_not_replaced(ratings, monkeypatch):
    def slow(ratings, spec):
        monkeypatch.setattr(module, "split_ratings", split_ratings)
        open_split(ratings, spec)  # another worker is faster
        inodes.append([path.stat().st_ino for path in stored(ratings)])
        return split_ratings(ratings, spec)

    inodes = []
    monkeypatch.setattr(module, "split_ratings", slow)
    split = open_split(ratings, SplitSpec())
    assert is_mapped(split.train.rating)
    assert inodes == [[path.stat().st_ino for path in stored(ratings)]]


def test_opening_a_split_counts_as_its_use(ratings):
    open_split(ratings, SplitSpec())
    [folder] = stored(ratings)
    os.utime(folder, (0, 0))
    open_split(ratings, SplitSpec())
    assert folder.stat().st_mtime > 0


@pytest.mark.parametrize("damage", ["meta", "missing", "truncated", "shorter", "version"])
def test_a_damaged_or_outdated_split_is_cut_again_and_replaced(ratings, damage):
    open_split(ratings, SplitSpec())
    [folder] = stored(ratings)
    if damage == "meta":
        (folder / META).write_text("{")
    elif damage == "missing":
        (folder / "train_rows_by_user.npy").unlink()
    elif damage == "truncated":
        with (folder / "train_film.npy").open("r+b") as file:
            file.truncate(200)
    elif damage == "shorter":
        np.save(folder / "train_rows_by_film.npy", np.arange(2399))
    else:
        meta = json.loads((folder / META).read_text())
        (folder / META).write_text(json.dumps({**meta, "version": "earlier"}))
    assert module._try_open(folder, ratings, SplitSpec()) is None
    assert_same(open_split(ratings, SplitSpec()), split_ratings(ratings, SplitSpec()))
    assert module._try_open(folder, ratings, SplitSpec()) is not None


def test_a_split_that_cannot_be_kept_is_cut_each_time(ratings, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(column_files.np, "save", full)
    assert_same(open_split(ratings, SplitSpec()), split_ratings(ratings, SplitSpec()))
    assert stored(ratings) == []


def test_nothing_is_kept_where_the_ratings_were_removed(ratings):
    for path in ratings.prepared.iterdir():
        path.unlink()
    ratings.prepared.rmdir()
    assert len(open_split(ratings, SplitSpec()).train) == 2400
    assert not ratings.prepared.exists()


def test_few_ratings_and_a_part_of_the_ratings_are_cut(ratings, monkeypatch):
    assert len(open_split(ratings.take(np.arange(1000)), SplitSpec()).train) == 800
    monkeypatch.setattr(module, "MIN_RATINGS", 3001)
    assert len(open_split(ratings, SplitSpec()).train) == 2400
    assert stored(ratings) == []


def test_a_split_that_is_refused_keeps_nothing(ratings):
    with pytest.raises(DataError, match="leave-last-2000"):
        open_split(ratings, SplitSpec(method="leave-last-k", k=2000))
    assert stored(ratings) == []
