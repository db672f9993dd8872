"""Storage URLs: what is wrong with one, and what to write instead."""

from __future__ import annotations

import sys

import pytest
from recsys_search.errors import StorageError
from recsys_search.search.storage.artifacts import artifact_folder
from recsys_search.search.storage.urls import parse_url, sqlite_file


@pytest.fixture(autouse=True)
def home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")


def refusal(url):
    with pytest.raises(StorageError) as caught:
        sqlite_file(url)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("studies.db", "sqlite:///studies.db"),
        ("/x/y.db", "sqlite:////x/y.db"),
        ("~/y.db", "sqlite:////home/me/y.db"),
        ("sqlite:y.db", "sqlite:///y.db"),
        ("sqlite:/y.db", "sqlite:///y.db"),
        ("", "sqlite:///studies.db"),
        ("postgresql//me@host/db", "sqlite:///studies.db"),
        ("postgresql:db", "sqlite:///studies.db"),
    ],
)
def test_a_path_is_refused_with_its_url(path, meant):
    assert refusal(path) == f"storage {path!r} is not a database URL; write {meant}"


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("sqlite://studies.db", "sqlite:///studies.db"),
        ("sqlite://x/y.db", "sqlite:///x/y.db"),
        ("sqlite://~/y.db", "sqlite:////home/me/y.db"),
    ],
)
def test_two_slashes_are_refused_with_the_three_to_write(url, meant):
    assert refusal(url) == (f"storage {url} has two slashes, and a file needs three; write {meant}")


def test_a_home_folder_is_to_be_written_out():
    assert refusal("sqlite:///~/y.db") == (
        "storage sqlite:///~/y.db: ~ is not expanded in a URL; write sqlite:////home/me/y.db"
    )


def test_a_tilde_within_a_name_is_a_tilde():
    assert str(sqlite_file("sqlite:///~y/~.db")) == "~y/~.db"


@pytest.mark.parametrize(
    ("installed", "driver"),
    [
        (["psycopg"], "postgresql+psycopg"),
        (["psycopg2"], "postgresql+psycopg2"),
        (["psycopg", "psycopg2"], "postgresql+psycopg"),
        ([], "postgresql+psycopg"),
    ],
)
def test_postgresql_without_a_driver_uses_the_installed_one(monkeypatch, installed, driver):
    for name in ("psycopg", "psycopg2"):
        module = type(sys)(name)
        module.__spec__ = object()
        monkeypatch.setitem(sys.modules, name, module if name in installed else None)
    assert parse_url("postgresql://me@host/db").drivername == driver
    assert parse_url("postgresql+psycopg2://me@host/db").drivername == "postgresql+psycopg2"


def test_options_of_sqlite_are_refused_with_the_plain_url():
    with pytest.raises(StorageError) as caught:
        sqlite_file("sqlite:///file:x.db?uri=true&mode=ro")
    assert str(caught.value) == (
        "storage sqlite:///file%3Ax.db?mode=ro&uri=true has options of SQLite (uri, mode), which "
        "this program sets itself; write sqlite:///x.db"
    )


def test_no_part_of_a_password_with_an_at_sign_is_shown():
    with pytest.raises(StorageError) as caught:
        parse_url("postgresql://me:se@cret@localhost/db")
    assert str(caught.value) == (
        "storage postgresql://***@localhost/db has several @; write one in a password as %40"
    )


def test_a_link_to_a_database_has_its_artifacts_and_locks(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "real.db").touch()
    (tmp_path / "link.db").symlink_to("data/real.db")
    artifacts = artifact_folder(f"sqlite:///{tmp_path}/link.db")
    assert artifacts == tmp_path / "data" / "real.artifacts"
