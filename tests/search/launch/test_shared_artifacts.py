"""Artifacts that each node of a cluster has to see."""

from __future__ import annotations

import pytest
from recsys_search.base.folders import LocalFolder
from recsys_search.errors import StorageError
from recsys_search.search.launch.shared_artifacts import mark_artifacts


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/studies.db"


def fail(*args):
    raise PermissionError(13, "Permission denied")


def test_the_marker_is_there_within_the_block(url, tmp_path):
    folder = tmp_path / "studies.artifacts"
    with mark_artifacts(url) as artifacts:
        artifacts.use(url)
        assert [path.name for path in folder.iterdir()] == [artifacts.marker]
    assert not list(folder.iterdir())
    with pytest.raises(StorageError, match="is not the folder that the other nodes share"):
        artifacts.use(url)


def test_a_folder_that_cannot_be_read_is_not_taken_for_another(url, monkeypatch):
    with mark_artifacts(url) as artifacts:
        monkeypatch.setattr(LocalFolder, "read", fail)
        with pytest.raises(StorageError, match=r"cannot be read: PermissionError.*; allow this"):
            artifacts.use(url)


def test_a_marker_that_stays_does_not_hide_how_the_study_ended(url, monkeypatch):
    monkeypatch.setattr(LocalFolder, "remove", fail)
    with pytest.raises(KeyboardInterrupt), mark_artifacts(url):
        raise KeyboardInterrupt
