"""Finds a dataset by its name or folder, and says what it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ...base.files import is_folder
from ...errors import DataError
from ..data_folder import data_folder
from ..demo.generator import generator_version
from ..formats.ratings_folder import SOURCE_FILES, read_folder
from ..ratings import Ratings
from .download import find_downloaded
from .prepared_store import files_version, prepared
from .progress_bar import download_with_progress
from .registry import DATASETS, Source, canonical_name, find_dataset

Fetch = Callable[[str, Path], Path]
PREPARED = "prepared"  # the data folder's own, of what was read once


def load_ratings(
    dataset: str, data_dir: Path | None = None, *, fetch: Fetch | None = download_with_progress
) -> Ratings:
    """The ratings of a named dataset or of a folder. A name goes before a folder called the same.

    Args:
        data_dir: holds the named datasets. [default: `data_folder()`]
        fetch: called with name and `data_dir` where a named dataset is not there, as `download`
            is; None refuses instead.

    Raises:
        DataError: there is no such dataset, or it cannot be fetched or read.
    """
    source = find_dataset(dataset)
    data_dir = data_folder(data_dir)
    if source is None:
        folder = _folder(dataset)
        return _read_prepared(folder.resolve().name, folder, data_dir)
    if not isinstance(source, Source):
        return _generate_prepared(canonical_name(dataset) or dataset, source, data_dir)
    found = find_downloaded(dataset, data_dir)
    if found is None:
        if fetch is None:
            raise DataError(
                f"{dataset} is not in {data_dir}; "
                f"run 'recsys-search data download {dataset}', or copy its folder there"
            )
        found = fetch(dataset, data_dir)
    return _read_prepared(dataset, found, data_dir)


def dataset_reference(dataset: str) -> str:
    """What names the dataset from any working folder: its name, or its folder's absolute path.

    Raises:
        DataError: there is no such dataset.
    """
    return canonical_name(dataset) or str(_folder(dataset).resolve())


def _generate_prepared(name: str, generate: Callable[[], Ratings], data_dir: Path) -> Ratings:
    if name in DATASETS:  # the usual size takes no longer to generate than to open
        return generate()
    return prepared(
        name, source=name, version=generator_version, read=generate, cache=data_dir / PREPARED
    )


def _read_prepared(name: str, folder: Path, data_dir: Path) -> Ratings:
    absolute = folder.resolve()
    return prepared(
        name,
        source=str(absolute),
        version=lambda: f"{name} {files_version(folder / file for file in SOURCE_FILES)}",
        read=lambda: replace(read_folder(folder), name=name, folder=absolute),
        cache=data_dir / PREPARED,
    )


def _folder(dataset: str) -> Path:
    try:
        path = Path(dataset).expanduser()
    except RuntimeError:  # no such user behind a ~
        path = Path(dataset)
    if dataset and is_folder(path):
        return path
    raise DataError(
        f"no dataset named {dataset!r}; choose from {', '.join(DATASETS)}, "
        "or name a folder that holds ratings.csv, ratings.dat or u.data"
    )
