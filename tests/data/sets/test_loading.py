"""Loading datasets by name and folder, and their summaries."""

from __future__ import annotations

import json
import os
import zipfile

import pytest
from pytest import approx
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.sets.loading import dataset_reference, load_ratings
from recsys_search.data.sets.summaries import list_datasets, summarise
from recsys_search.data.tables.columns import ReadOptions
from recsys_search.errors import DataError

RATINGS = "userId,movieId,rating,timestamp\n1,10,3,0\n1,20,4,60\n2,10,5,86400\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "ratings.csv").write_text(RATINGS)
    return tmp_path / "mine"


def test_demo_has_the_generators_default_size():
    assert load_ratings("demo").fingerprint == demo_ratings(100_000, seed=0).fingerprint


@pytest.mark.parametrize(
    ("dataset", "name", "n_ratings"),
    [
        ("demo:1k", "demo:1k", 1_000),
        ("demo:1000", "demo:1k", 1_000),
        ("demo:0.5K", "demo:500", 500),
        ("demo:1.25k", "demo:1250", 1_250),
    ],
)
def test_demo_can_have_any_size(dataset, name, n_ratings):
    ratings = load_ratings(dataset)
    assert (ratings.name, len(ratings)) == (name, n_ratings)
    assert ratings.fingerprint == demo_ratings(n_ratings).fingerprint


@pytest.mark.parametrize(
    ("dataset", "reference"),
    [
        ("demo:1M", "demo:1M"),
        ("demo:1000k", "demo:1M"),
        ("demo:32000000", "demo:32M"),
        ("demo:1.5m", "demo:1500k"),
        ("demo:1000M", "demo:1000M"),
        ("demo:1234567", "demo:1234567"),
    ],
)
def test_every_size_has_one_canonical_name(dataset, reference):
    assert dataset_reference(dataset) == reference


@pytest.mark.parametrize(
    "size",
    ["", "0", "-5", "many", "1.5", "0.0001k", "1e6", "1_000", "1 M", "1G", "1001M", "9" * 500],
)
@pytest.mark.parametrize("find", [load_ratings, dataset_reference])
def test_an_invalid_size_is_reported_with_valid_examples(size, find):
    with pytest.raises(DataError) as caught:
        find(f"demo:{size}")
    assert str(caught.value) == (
        f"'demo:{size}' is not a valid size; write a whole number of ratings up to 1000M, such as "
        "demo:250k, demo:1.5M or demo:32000000"
    )


def test_a_folder_is_read_by_its_path(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert len(load_ratings(str(folder))) == len(load_ratings("mine")) == 3


def test_a_reference_is_valid_in_any_working_folder(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert dataset_reference("mine") == str(folder.resolve())
    assert dataset_reference("demo") == "demo"


def test_a_tilde_is_expanded(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert dataset_reference("~/mine") == str(folder.resolve())


@pytest.mark.parametrize("dataset", ["ml-2m", "", "x" * 5_000, "a\0b", "~nobody-of-that-name/x"])
@pytest.mark.parametrize("find", [load_ratings, dataset_reference])
def test_an_unknown_dataset_is_reported_with_the_choices(dataset, find):
    with pytest.raises(DataError) as caught:
        find(dataset)
    assert str(caught.value) == (
        f"no dataset named {dataset!r}; choose from ml-latest-small, ml-100k, ml-1m, ml-10m, "
        "ml-20m, ml-25m, ml-32m, demo, or name a folder with ratings.csv, ratings.parquet, "
        "ratings.dat or u.data, or a file of ratings"
    )


def test_the_summary_of_three_ratings(folder):
    (folder / "movies.csv").write_text("movieId,title,genres\n10,Heat (1995),Crime\n")
    (folder / "users.csv").write_text("userId,age,gender\n1,,F\n2,30,\n")
    summary = summarise(load_ratings(str(folder)))
    assert summary.pop("fingerprint") == load_ratings(str(folder)).fingerprint
    assert summary.pop("density") == approx(3 / 4)
    assert summary == {
        "name": "mine",
        "ratings": 3,
        "users": 2,
        "films": 2,
        "scale": [3, 5],
        "mean_rating": 4,
        "first_rating_at": "1970-01-01T00:00:00+00:00",
        "last_rating_at": "1970-01-02T00:00:00+00:00",
        "genres": ["Crime"],
        "films_with_year": 1,
        "user_groups": ["gender F"],
        "users_with_age": 1,
        "ratings_per_user": {"median": 1.5, "max": 2},
        "ratings_per_film": {"median": 1.5, "max": 2},
        "noise_rmse": None,
        "notes": [],
    }


def test_the_summary_can_be_written_as_json_with_and_without_timestamps(folder):
    (folder / "ratings.csv").write_text("userId,movieId,rating\n1,10,3\n")
    summary = summarise(load_ratings(str(folder)))
    assert json.loads(json.dumps(summary)) == summary
    assert summary["first_rating_at"] is summary["last_rating_at"] is None
    assert json.loads(json.dumps(summarise(demo_ratings(100))))["noise_rmse"] > 0.5


# Files, and how to read them


def test_a_file_is_a_dataset_too(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "mine.csv").write_text(RATINGS)
    assert len(load_ratings("mine.csv")) == 3
    assert dataset_reference("mine.csv") == str(folder.resolve() / "mine.csv")


def test_a_pipe_is_no_dataset(folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(DataError) as caught:
        load_ratings(str(folder / "pipe"))
    assert str(caught.value) == (
        f"{folder}/pipe is a pipe, which can be read only once; write it to a file"
    )


def test_the_cache_keeps_ways_to_read_apart(folder):
    (folder / "mine.csv").write_text("user,item,rating,stars\n1,10,1,5\n1,20,2,4\n1,20,4,4\n")
    path = str(folder / "mine.csv")
    newest = ReadOptions(duplicates="newest")
    stars = ReadOptions({"rating": "stars"}, "mean")
    for _ in range(2):
        assert load_ratings(path, options=newest).rating.tolist() == [1, 4]
        assert load_ratings(path, options=stars).rating.tolist() == [5, 4]
        with pytest.raises(DataError, match="already rated film 20"):
            load_ratings(path)


def test_notes_are_kept_in_the_cache(folder):
    (folder / "mine.csv").write_text("user,item,rating\n1,10,1\n2,20,1\n")
    first, second = (load_ratings(str(folder / "mine.csv")) for _ in range(2))
    assert first.notes == second.notes
    assert len(first.notes) == 1


def test_ids_that_are_text_are_kept_in_the_cache(folder):
    (folder / "mine.csv").write_text("user,item,rating\nanna,B01,1\nzoë,B02,5\n")
    for _ in range(2):
        ratings = load_ratings(str(folder / "mine.csv"))
        assert ratings.user_ids.tolist() == ["anna", "zoë"]


def test_a_changed_zip_is_read_again(folder):
    path = folder / "mine.zip"
    for stars in ("3", "5"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x/ratings.csv", f"userId,movieId,rating\n1,1,{stars}\n")
        assert load_ratings(str(path)).rating.tolist() == [float(stars)]


def test_generated_ratings_have_no_columns_to_name():
    with pytest.raises(DataError) as caught:
        load_ratings("demo", options=ReadOptions({"user": "a"}))
    assert str(caught.value) == "demo is generated and has no columns; leave out --columns"


# Named datasets


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    """The environment's data folder, with a tiny ml-latest-small."""
    data_dir = tmp_path / "datasets"
    (data_dir / "ml-latest-small").mkdir(parents=True)
    (data_dir / "ml-latest-small" / "ratings.csv").write_text(RATINGS)
    monkeypatch.setenv("RECSYS_SEARCH_DATA_DIR", str(data_dir))
    return data_dir


def no_fetch(name, data_dir):
    raise AssertionError(f"{name} was downloaded to {data_dir}")


def test_a_named_dataset_is_read_from_the_data_folder(data_dir, monkeypatch):
    assert len(load_ratings("ml-latest-small", fetch=no_fetch)) == 3
    monkeypatch.delenv("RECSYS_SEARCH_DATA_DIR")
    assert len(load_ratings("ml-latest-small", data_dir, fetch=no_fetch)) == 3
    assert dataset_reference("ml-latest-small") == "ml-latest-small"


def test_a_linked_folder_keeps_the_datasets_name(data_dir, tmp_path):
    (data_dir / "ml-25m").symlink_to(data_dir / "ml-latest-small")
    assert load_ratings("ml-25m", fetch=no_fetch).name == "ml-25m"


def test_a_missing_named_dataset_is_fetched(data_dir):
    calls = []

    def fetch(name, data_dir):
        calls.append((name, data_dir))
        return data_dir / "ml-latest-small"

    assert len(load_ratings("ml-32m", fetch=fetch)) == 3
    assert calls == [("ml-32m", data_dir)]


def test_a_folder_of_that_name_is_used_rather_than_a_download(data_dir, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    folder.rename(folder.parent / "ml-32m")
    assert len(load_ratings("ml-32m", fetch=no_fetch)) == 3
    assert dataset_reference("ml-32m") == str((folder.parent / "ml-32m").resolve())
    assert load_ratings("ml-32m", fetch=no_fetch).name == "ml-32m"


def test_a_downloaded_dataset_takes_precedence_over_a_folder(data_dir, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    folder.rename(folder.parent / "ml-latest-small")
    assert dataset_reference("ml-latest-small") == "ml-latest-small"


def test_a_folder_of_that_name_without_ratings_does_not_count(data_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ml-32m").mkdir()
    assert dataset_reference("ml-32m") == "ml-32m"
    with pytest.raises(DataError, match="ml-32m is not in"):
        load_ratings("ml-32m", fetch=None)


def test_without_fetch_a_missing_dataset_is_reported(data_dir):
    with pytest.raises(DataError) as caught:
        load_ratings("ml-32m", fetch=None)
    assert str(caught.value) == (
        f"ml-32m is not in {data_dir}; run 'recsys-search data download ml-32m', "
        "or copy its folder there"
    )


def test_the_list_shows_which_datasets_are_available(data_dir):
    rows = {row["name"]: (row["downloaded"], row["folder"]) for row in list_datasets()}
    assert rows.pop("ml-latest-small") == (True, str(data_dir / "ml-latest-small"))
    assert rows.pop("demo") == (True, None)
    assert set(rows.values()) == {(False, None)}
    assert json.loads(json.dumps(list_datasets())) == list_datasets()


def test_every_published_dataset_has_a_licence_and_sizes():
    rows = [row for row in list_datasets() if row["name"] != "demo"]
    assert [row["name"] for row in rows] == [
        f"ml-{size}" for size in ("latest-small", "100k", "1m", "10m", "20m", "25m", "32m")
    ]
    for row in rows:
        assert row["readme"].startswith(
            f"https://files.grouplens.org/datasets/movielens/{row['name']}"
        )
        assert row["licence"].startswith("for research")
        assert row["ratings"] > row["users"] > 0 < row["films"]
