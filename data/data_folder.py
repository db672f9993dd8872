"""The data folder, which contains the named datasets."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

DATA_DIR_VARIABLE = "RECSYS_SEARCH_DATA_DIR"


def data_folder(data_dir: Path | str | None = None) -> Path:
    """`data_dir` if given, else the folder in the environment, else the user's cache folder."""
    configured = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    if not configured:
        return Path(platformdirs.user_cache_dir("recsys-search", appauthor=False))
    try:
        return Path(configured).expanduser()
    except RuntimeError:  # ~name of an unknown user
        return Path(configured)
