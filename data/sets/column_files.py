"""Columns as files of a folder, which open as memory maps.

Columns of large ratings are opened in no time, read on first access, and held in memory once for
all processes that use them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

META = "meta.json"
Column = NDArray[Any]


def save_columns(
    folder: Path, columns: Mapping[str, Column | None], meta: Mapping[str, Any]
) -> None:
    """Write the columns that are not None and a mapping to a new folder, synced to disk."""
    folder.mkdir()
    present = {name: column for name, column in columns.items() if column is not None}
    for name, column in present.items():
        with (folder / f"{name}.npy").open("wb") as file:
            np.save(file, column, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
    with (folder / META).open("w", encoding="utf-8") as file:
        json.dump({"columns": list(present), **meta}, file)
        file.flush()
        os.fsync(file.fileno())


def open_columns(folder: Path) -> tuple[dict[str, Column], dict[str, Any]]:
    """The columns and the mapping that `save_columns` wrote.

    Writing to a column changes only this process's copy.

    Raises:
        Exception: the folder is missing or damaged.
    """
    meta: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
    return {name: _map_column(folder / f"{name}.npy") for name in meta["columns"]}, meta


def check_lengths(folder: Path, *columns: Column | None) -> None:
    """Raises:
    ValueError: columns that belong together have different lengths.
    """
    if len({len(column) for column in columns if column is not None}) > 1:
        raise ValueError(f"{folder} has columns of different lengths")


def _map_column(path: Path) -> Column:
    column: Column = np.load(path, mmap_mode="c", allow_pickle=False)
    return np.asarray(column)
