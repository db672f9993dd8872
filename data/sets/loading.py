"""Loads ratings by a dataset's name, folder or file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ...base.files import is_file, is_folder, is_pipe
from ...errors import DataError
from ..data_folder import data_folder
from ..demo.generator import generator_version
from ..formats.ratings_files import NAMES, find_ratings, read_ratings, source_files
from ..ratings import Ratings
from ..tables.columns import ReadOptions
from .download import find_downloaded
from .prepared_store import files_version, load_prepared
from .progress_bar import download_with_progress
from .registry import DATASETS, Source, canonical_name, find_dataset

Fetch = Callable[[str, Path], Path]
PREPARED_FOLDER = "prepared"  # of prepared ratings, in the data folder


def load_ratings(
    dataset: str,
    data_dir: Path | None = None,
    *,
    options: ReadOptions | None = None,
    fetch: Fetch | None = download_with_progress,
) -> Ratings:
    """The ratings of a named dataset, a folder, a zip or a file.

    A name takes precedence over a folder of that name in the working folder, which in turn is used
    rather than downloading the dataset.

    Args:
        data_dir: contains the named datasets. [default: `data_folder()`]
        options: how to read the files.
        fetch: downloads a missing dataset, called with its name and `data_dir`; None raises
            instead.

    Raises:
        DataError: there is no such dataset, or it cannot be downloaded or read.
    """
    options = options or ReadOptions()
    source = find_dataset(dataset)
    data_dir = data_folder(data_dir)
    if source is None:
        return _load_path(None, _find_path(dataset), options, data_dir)
    if not isinstance(source, Source):
        if options.columns:
            raise DataError(f"{dataset} is generated and has no columns; leave out --columns")
        return _load_generated(canonical_name(dataset) or dataset, source, data_dir)
    downloaded = find_downloaded(dataset, data_dir) or _find_local(dataset)
    if downloaded is None:
        if fetch is None:
            raise DataError(
                f"{dataset} is not in {data_dir}; "
                f"run 'recsys-search data download {dataset}', or copy its folder there"
            )
        downloaded = fetch(dataset, data_dir)
    return _load_path(dataset, downloaded, options, data_dir)


def dataset_reference(dataset: str) -> str:
    """A reference that is valid in any working folder: the name, or an absolute path.

    Raises:
        DataError: there is no such dataset.
    """
    name = canonical_name(dataset)
    if name is None:
        return str(_find_path(dataset).resolve())
    if isinstance(DATASETS.get(name), Source) and not find_downloaded(name, data_folder()):
        local = _find_local(name)
        return str(local.resolve()) if local else name
    return name


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


def _load_path(name: str | None, path: Path, options: ReadOptions, data_dir: Path) -> Ratings:
    """The ratings at a path, called `name` or else after the path."""
    absolute = path.resolve()
    how = "" if options == ReadOptions() else repr((sorted(options.columns.items()), options[1]))

    def read() -> Ratings:
        ratings = read_ratings(path, options)
        return replace(
            ratings,
            name=name or ratings.name,
            folder=ratings.folder and ratings.folder.resolve(),
        )

    return load_prepared(
        name or absolute.name,
        source=f"{absolute}{how}",
        version=lambda: f"{name} {files_version(source_files(path))}",
        read=read,
        cache=data_dir / PREPARED_FOLDER,
    )


def _find_local(name: str) -> Path | None:
    """A folder in the working folder that has a dataset's name and holds ratings."""
    folder = Path(name)
    try:
        return folder if is_folder(folder) and find_ratings(folder) else None
    except DataError:
        return None


def _find_path(dataset: str) -> Path:
    try:
        path = Path(dataset).expanduser()
    except RuntimeError:  # ~name of an unknown user
        path = Path(dataset)
    if dataset and (is_folder(path) or is_file(path)):
        return path
    if dataset and is_pipe(path):
        raise DataError(f"{dataset} is a pipe, which can be read only once; write it to a file")
    if path.suffix or path.is_absolute():
        raise DataError(f"no folder or file {path.absolute()}; name one with ratings")
    raise DataError(
        f"no dataset named {dataset!r}; choose from {', '.join(DATASETS)}, "
        f"or name a folder with {NAMES}, or a file of ratings"
    )
