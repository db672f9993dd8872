"""Epoch reports and checkpoints are next to the database, or where --artifacts says."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from optuna.artifacts.exceptions import ArtifactNotFound
from recsys_search.errors import OutputError, StorageError
from recsys_search.search.results.ranking import no_completed_trial
from recsys_search.search.storage.access import check_can_write
from recsys_search.search.storage.artifacts import (
    artifact_folder,
    artifact_store,
    checkpoint_folder,
    open_artifacts,
)
from recsys_search.search.storage.database import no_studies
from recsys_search.search.storage.examples import artifacts_option, example

URL = "sqlite:///studies.db"


@pytest.fixture(params=["folder", "memory"])
def place(request, tmp_path, monkeypatch):
    MemoryFileSystem.store.clear()
    place = {"folder": str(tmp_path / "shared"), "memory": "memory://bucket/shared"}[request.param]
    monkeypatch.setenv("RECSYS_SEARCH_ARTIFACTS", place)
    return place


def test_the_default_is_next_to_the_database():
    assert open_artifacts("sqlite:////data/my.db").path == Path("/data/my.artifacts")
    assert checkpoint_folder(URL).path == Path("studies.artifacts/checkpoints")
    assert artifacts_option() == []


def test_an_empty_variable_is_the_default(monkeypatch):
    monkeypatch.setenv("RECSYS_SEARCH_ARTIFACTS", "")
    assert open_artifacts(URL).path == Path("studies.artifacts")
    assert artifacts_option() == []


def test_locks_stay_local(place):
    assert artifact_folder(URL) == Path("studies.artifacts")
    assert str(checkpoint_folder(URL)) == f"{place}/checkpoints"
    assert artifacts_option() == ["--artifacts", place]


def test_the_store_is_one_of_optunas(place):
    store = artifact_store(URL, make=True)
    store.write("a", BytesIO(b"content"))
    assert store.open_reader("a").read() == b"content"
    store.remove("a")
    with pytest.raises(ArtifactNotFound):
        store.open_reader("a")


def test_a_password_is_not_in_an_example_command(monkeypatch):
    monkeypatch.setenv("RECSYS_SEARCH_ARTIFACTS", "ftp://me:secret@host/x")
    assert example("start", *artifacts_option()) == (
        'recsys-search start --artifacts "$RECSYS_SEARCH_ARTIFACTS"'
    )


def test_an_example_of_start_names_the_storage_and_the_artifacts(place):
    url = "sqlite:///my.db"
    both = f"--storage {url} --artifacts {place}"
    assert str(no_studies(url)).endswith(f"; run one with: recsys-search start --study demo {both}")
    assert str(no_completed_trial("my", url)).endswith(f": recsys-search start --study my {both}")


def test_a_place_is_checked_and_left_as_it_was(place, tmp_path):
    check_can_write(URL)
    assert not (tmp_path / "shared").exists()
    assert not list(MemoryFileSystem.store)


def test_a_folder_whose_parent_is_missing_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("RECSYS_SEARCH_ARTIFACTS", str(tmp_path / "no" / "shared"))
    with pytest.raises(OutputError, match="no cannot be written"):
        check_can_write(URL)


def test_a_url_that_refuses_to_write_is_refused(monkeypatch):
    monkeypatch.setenv("RECSYS_SEARCH_ARTIFACTS", "memory://me:secret@bucket/x")

    def refuse(*args, **options):
        raise PermissionError(13, "Access denied")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refuse)
    with pytest.raises(OutputError) as caught:
        check_can_write(URL)
    assert str(caught.value) == (
        "--artifacts cannot be written: memory://***@bucket/x: Access denied; check the address "
        "and your access to it"
    )


def test_a_missing_driver_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setenv("RECSYS_SEARCH_ARTIFACTS", "s3://bucket/x")
    with pytest.raises(StorageError, match="s3://bucket/x needs the package s3fs; pip install"):
        check_can_write(URL)
