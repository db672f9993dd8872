"""Fetches a named dataset into the data folder: checked, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ...errors import DataError
from ..data_folder import DATA_DIR_VARIABLE
from .archive import unpack
from .atomic_folders import move_into_place, work_folder
from .registry import DATASETS, Source, find_dataset

TIMEOUT_S = 30  # without a byte from the server
_CHUNK_BYTES = 1 << 18
# Rounded up: a line of ratings.csv has 28 bytes, the tag genome of some sets adds 20 a rating, and
# the columns kept of it (prepared.py) another 28; and ml-100k holds its ratings several times over.
_BYTES_PER_RATING, _BYTES_PER_DATASET = 80, 20 * 10**6


class Progress(Protocol):
    """Is told how a download goes, in bytes; `reset` begins at 0 again."""

    total: float

    def update(self, n: int, /) -> None: ...
    def reset(self) -> None: ...
    def close(self) -> None: ...


def find_downloaded(name: str, data_dir: Path) -> Path | None:
    """The folder of a named dataset, None while it is not there."""
    folder = data_dir / name
    try:
        return folder if (folder / published_source(name).file).is_file() else None
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None


def published_source(name: str) -> Source:
    """The source of a named dataset.

    Raises:
        DataError: none has that name, or it is generated.
    """
    source = find_dataset(name)
    if isinstance(source, Source):
        return source
    if source:
        raise DataError(f"{name} needs no download: it is generated; use it as it is")
    names = ", ".join(name for name, known in DATASETS.items() if isinstance(known, Source))
    raise DataError(f"no dataset named {name!r}; choose from {names}")


def download(name: str, data_dir: Path, *, progress: Progress | None = None) -> Path:
    """The folder `data_dir`/`name`, fetched and unpacked unless it is there.

    Everything is made in a folder beside it that is renamed when it is complete, and removed
    when anything goes wrong.

    Raises:
        DataError: no such dataset, no network, another file than expected, or no room.
    """
    source = published_source(name)
    if folder := find_downloaded(name, data_dir):
        return folder
    target = data_dir / name
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise DataError(f"{target} holds no {source.file} and is in the way; move it elsewhere")
        with work_folder(data_dir, name) as work:
            try:
                unpacked = _fetch_unpacked(name, source, work, progress)
            except DataError as error:
                reason = f"cannot download {name}: {error}"
                raise DataError(f"{reason}; {_ways_out(name, data_dir)}") from None
            move_into_place(unpacked, target, whole=lambda: (target / source.file).is_file())
    except OSError as error:
        raise DataError(
            f"cannot download {name}: {error.filename or data_dir}: {error.strerror or error}; "
            f"choose another folder with --data-dir or {DATA_DIR_VARIABLE}"
        ) from None
    return target


def required_disk_bytes(name: str) -> int:
    """About how much room a named dataset takes, from its download to its kept columns."""
    return _BYTES_PER_DATASET + _BYTES_PER_RATING * published_source(name).ratings


def check_server(name: str, data_dir: Path) -> None:
    """Asks for a named dataset without fetching it.

    Raises:
        DataError: the server cannot be reached, or does not have it.
    """
    import requests

    url = published_source(name).url
    try:
        requests.head(url, timeout=TIMEOUT_S, allow_redirects=True).raise_for_status()
    except requests.RequestException as error:
        reason = f"cannot download {name}: {_told(error, url)}"
        raise DataError(f"{reason}; {_ways_out(name, data_dir)}") from None


def _fetch_unpacked(name: str, source: Source, work: Path, progress: Progress | None) -> Path:
    """The source's folder, complete, somewhere in `work`."""
    archive = work / f"{name}.zip"
    _fetch(source, archive, progress)
    unpack(archive, work / "unpacked")
    unpacked = work / "unpacked" / source.folder
    if not (unpacked / source.file).is_file():
        raise DataError(f"{archive.name} holds no {source.folder}/{source.file}")
    return unpacked


def _fetch(source: Source, archive: Path, progress: Progress | None) -> None:
    """Writes the source's zip to `archive`.

    Raises:
        DataError: the server cannot be reached, or sends something else.
    """
    # Both take long to import, and reading a folder needs neither.
    import pooch
    from requests import RequestException

    fetch = pooch.HTTPDownloader(
        progressbar=progress or False, chunk_size=_CHUNK_BYTES, timeout=TIMEOUT_S
    )
    try:
        fetch(source.url, str(archive), None)
    # ValueError: a length that is no number.
    except (RequestException, ValueError) as error:
        raise DataError(_told(error, source.url)) from None
    found = pooch.file_hash(str(archive), alg="md5")
    if found != source.md5:
        raise DataError(f"{source.url} sent a file with md5 {found} instead of {source.md5}")


def _told(error: Exception, url: str) -> str:
    """What went wrong on the network, in few words."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"{url} answers {error.response.status_code} {error.response.reason}".rstrip()
    words = {
        exceptions.ChunkedEncodingError: f"{url} broke off",
        exceptions.ContentDecodingError: f"{url} broke off",
        exceptions.Timeout: f"{url} does not answer within {TIMEOUT_S} s",
        exceptions.SSLError: f"{url} has no certificate that this machine trusts",
        exceptions.ProxyError: f"the proxy on the way to {url} does not let it through",
        exceptions.ConnectionError: f"no connection to {url}",
    }
    found = (text for kind, text in words.items() if isinstance(error, kind))
    return next(found, f"{url}: {' '.join(str(error).split())}")


def _ways_out(name: str, data_dir: Path) -> str:
    """What to do where a named dataset cannot be fetched."""
    return (
        f"run 'recsys-search data download {name}' on a machine with a network and copy its "
        f"folder to {data_dir}, or use --dataset DIR, or try --study demo"
    )
