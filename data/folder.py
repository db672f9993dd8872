"""The folder that holds the named datasets."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

DATA_DIR_VARIABLE = "RECSYS_SEARCH_DATA_DIR"


def data_folder(data_dir: Path | str | None = None) -> Path:
    """Where the named datasets lie: as given, or by the environment, or in the user's cache."""
    given = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    if not given:
        return Path(platformdirs.user_cache_dir("recsys-search", appauthor=False))
    try:
        return Path(given).expanduser()
    except RuntimeError:  # no such user behind a ~
        return Path(given)
