"""Downloads a named dataset into the data folder, verified and atomically."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ...errors import DataError
from ..data_folder import DATA_DIR_VARIABLE
from .archive import unpack
from .atomic_folders import move_into_place, temporary_folder
from .registry import DATASETS, Source, find_dataset

TIMEOUT_S = 30  # without a byte from the server
_CHUNK_BYTES = 1 << 18
# Rounded up: a line of ratings.csv has 28 bytes, the tag genome of some datasets adds 20 per
# rating, and the prepared columns another 28; ml-100k contains its ratings several times.
_BYTES_PER_RATING, _BYTES_PER_DATASET = 80, 20 * 10**6


class Progress(Protocol):
    """Receives a download's progress in bytes; `reset` returns to 0."""

    total: float

    def update(self, n: int, /) -> None: ...
    def reset(self) -> None: ...
    def close(self) -> None: ...


def find_downloaded(name: str, data_dir: Path) -> Path | None:
    """The folder of a named dataset, or None if it is not downloaded."""
    folder = data_dir / name
    try:
        return folder if (folder / published_source(name).file).is_file() else None
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None


def published_source(name: str) -> Source:
    """The source of a named dataset.

    Raises:
        DataError: no dataset has that name, or it is generated.
    """
    source = find_dataset(name)
    if isinstance(source, Source):
        return source
    if source:
        raise DataError(f"{name} needs no download: it is generated on use")
    names = ", ".join(name for name, known in DATASETS.items() if isinstance(known, Source))
    raise DataError(f"no dataset named {name!r}; choose from {names}")


def download(name: str, data_dir: Path, *, progress: Progress | None = None) -> Path:
    """The folder `data_dir`/`name`, downloaded and unpacked unless it already exists.

    The work is done in a temporary folder next to it, which is renamed when complete and removed
    on any error.

    Raises:
        DataError: there is no such dataset, no network or no disk space, or the downloaded file is
            not the expected one.
    """
    source = published_source(name)
    if folder := find_downloaded(name, data_dir):
        return folder
    target = data_dir / name
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise DataError(f"{target} already exists, but has no {source.file}; move it elsewhere")
        with temporary_folder(data_dir, name) as temporary:
            try:
                unpacked = _fetch_and_unpack(name, source, temporary, progress)
            except DataError as error:
                raise _download_error(name, data_dir, str(error)) from None
            move_into_place(unpacked, target, is_complete=lambda: (target / source.file).is_file())
    except OSError as error:
        raise DataError(
            f"cannot download {name}: {error.filename or data_dir}: {error.strerror or error}; "
            f"choose another folder with --data-dir or {DATA_DIR_VARIABLE}"
        ) from None
    return target


def required_disk_bytes(name: str) -> int:
    """Approximate disk space for a named dataset: its download, its files and prepared columns."""
    return _BYTES_PER_DATASET + _BYTES_PER_RATING * published_source(name).ratings


def check_server(name: str, data_dir: Path) -> None:
    """Check that the server offers a named dataset, without downloading it.

    Raises:
        DataError: the server cannot be reached, or does not have the dataset.
    """
    import requests

    url = published_source(name).url
    try:
        requests.head(url, timeout=TIMEOUT_S, allow_redirects=True).raise_for_status()
    except requests.RequestException as error:
        raise _download_error(name, data_dir, _describe_network_error(error, url)) from None


def _fetch_and_unpack(
    name: str, source: Source, temporary: Path, progress: Progress | None
) -> Path:
    """The source's complete folder, inside `temporary`."""
    archive = temporary / f"{name}.zip"
    _fetch(source, archive, progress)
    unpack(archive, temporary / "unpacked")
    unpacked = temporary / "unpacked" / source.folder
    if not (unpacked / source.file).is_file():
        raise DataError(f"{archive.name} has no {source.folder}/{source.file}")
    return unpacked


def _fetch(source: Source, archive: Path, progress: Progress | None) -> None:
    """Write the source's zip to `archive`.

    Raises:
        DataError: the server cannot be reached, or sends an unexpected file.
    """
    # Both take long to import, and reading a folder needs neither.
    import pooch
    from requests import RequestException

    fetch = pooch.HTTPDownloader(
        progressbar=progress or False, chunk_size=_CHUNK_BYTES, timeout=TIMEOUT_S
    )
    try:
        fetch(source.url, str(archive), None)
    # ValueError: the Content-Length is not a number.
    except (RequestException, ValueError) as error:
        raise DataError(_describe_network_error(error, source.url)) from None
    md5 = pooch.file_hash(str(archive), alg="md5")
    if md5 != source.md5:
        raise DataError(f"{source.url} sent a file with md5 {md5} instead of {source.md5}")


def _describe_network_error(error: Exception, url: str) -> str:
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"{url} answered {error.response.status_code} {error.response.reason}".rstrip()
    descriptions = {
        exceptions.ChunkedEncodingError: f"the transfer from {url} broke off",
        exceptions.ContentDecodingError: f"the transfer from {url} broke off",
        exceptions.Timeout: f"{url} did not answer within {TIMEOUT_S} s",
        exceptions.SSLError: f"this machine does not trust the certificate of {url}",
        exceptions.ProxyError: f"the proxy refused the connection to {url}",
        exceptions.ConnectionError: f"no connection to {url}",
    }
    matches = (text for kind, text in descriptions.items() if isinstance(error, kind))
    return next(matches, f"{url}: {' '.join(str(error).split())}")


def _download_error(name: str, data_dir: Path, reason: str) -> DataError:
    """The error for a failed download, with the alternatives to it."""
    return DataError(
        f"cannot download {name}: {reason}; run 'recsys-search data download {name}' on a machine "
        f"with network access and copy its folder to {data_dir}, or use --dataset DIR, or try "
        "--study demo"
    )
