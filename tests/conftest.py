"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary data folder: tests do not download into the user's or count openings there."""
    folder = tmp_path_factory.mktemp("data")
    os.environ["RECSYS_SEARCH_DATA_DIR"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def real_ratings_folder() -> Path:
    """The folder of MovieLens latest-small; skips the test if the machine does not have it."""
    folder = os.environ.get("RECSYS_SEARCH_TEST_RATINGS")
    if not folder:
        pytest.skip("RECSYS_SEARCH_TEST_RATINGS does not name a folder with MovieLens latest-small")
    return Path(folder)
