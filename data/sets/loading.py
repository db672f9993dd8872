"""Loads ratings by a dataset's name or folder."""

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
from .prepared_store import files_version, load_prepared
from .progress_bar import download_with_progress
from .registry import DATASETS, Source, canonical_name, find_dataset

Fetch = Callable[[str, Path], Path]
PREPARED_FOLDER = "prepared"  # of prepared ratings, in the data folder


def load_ratings(
    dataset: str, data_dir: Path | None = None, *, fetch: Fetch | None = download_with_progress
) -> Ratings:
    """The ratings of a named dataset or of a folder. A name takes precedence over a folder.

    Args:
        data_dir: contains the named datasets. [default: `data_folder()`]
        fetch: downloads a missing dataset, called with its name and `data_dir`; None raises
            instead.

    Raises:
        DataError: there is no such dataset, or it cannot be downloaded or read.
    """
    source = find_dataset(dataset)
    data_dir = data_folder(data_dir)
    if source is None:
        folder = _find_folder(dataset)
        return _load_folder(folder.resolve().name, folder, data_dir)
    if not isinstance(source, Source):
        return _load_generated(canonical_name(dataset) or dataset, source, data_dir)
    downloaded = find_downloaded(dataset, data_dir)
    if downloaded is None:
        if fetch is None:
            raise DataError(
                f"{dataset} is not in {data_dir}; "
                f"run 'recsys-search data download {dataset}', or copy its folder there"
            )
        downloaded = fetch(dataset, data_dir)
    return _load_folder(dataset, downloaded, data_dir)


def dataset_reference(dataset: str) -> str:
    """A reference that is valid in any working folder: the name, or the folder's absolute path.

    Raises:
        DataError: there is no such dataset.
    """
    return canonical_name(dataset) or str(_find_folder(dataset).resolve())


def _load_generated(name: str, generate: Callable[[], Ratings], data_dir: Path) -> Ratings:
    if name in DATASETS:  # the default size is generated as fast as it is opened
        return generate()
    return load_prepared(
        name,
        source=name,
        version=generator_version,
        read=generate,
        cache=data_dir / PREPARED_FOLDER,
    )


def _load_folder(name: str, folder: Path, data_dir: Path) -> Ratings:
    absolute = folder.resolve()
    return load_prepared(
        name,
        source=str(absolute),
        version=lambda: f"{name} {files_version(folder / file for file in SOURCE_FILES)}",
        read=lambda: replace(read_folder(folder), name=name, folder=absolute),
        cache=data_dir / PREPARED_FOLDER,
    )


def _find_folder(dataset: str) -> Path:
    try:
        path = Path(dataset).expanduser()
    except RuntimeError:  # ~name of an unknown user
        path = Path(dataset)
    if dataset and is_folder(path):
        return path
    raise DataError(
        f"no dataset named {dataset!r}; choose from {', '.join(DATASETS)}, "
        "or name a folder with ratings.csv, ratings.dat or u.data"
    )
