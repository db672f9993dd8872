"""A folder to keep files in, on a disk or at a URL such as `s3://bucket/folder`.

A file is there as a whole or not at all, also after a crash while it is written.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import NamedTemporaryFile
from time import time
from typing import Any, Protocol
from uuid import uuid4

from ..errors import StorageError
from .messages import format_error

PARTIAL = ".partial-"  # begins the name of a file that is being written, or never was completely
ABANDONED_S = 3600  # no file takes that long to write

# Their files appear when they are complete; elsewhere a file is written under another name first.
_ATOMIC = {"abfs", "abfss", "adl", "az", "gcs", "gs", "memory", "oci", "oss", "s3", "s3a"}


class Folder(Protocol):
    """Files and folders in it need not exist; other processes may remove any at any time."""

    def child(self, name: str) -> Folder:
        """A folder in it."""

    def sizes(self) -> dict[str, int]:
        """The folders in it, and the bytes of the files in each."""

    def files(self) -> dict[str, int]:
        """The files in it, and their bytes."""

    def read(self, name: str) -> bytes:
        """Raises: FileNotFoundError: there is no such file."""

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Write a file to last, and create the folder for it.

        Raises:
            OSError: it cannot be written; a file of that name is as before.
        """

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""

    def remove_abandoned(self) -> None:
        """Remove files that were never completed, and were begun over an hour ago."""

    def delete(self) -> None:
        """Remove the folder with all that is in it, as far as that is possible."""


class LocalFolder:
    """A folder on a disk. Files are synced and renamed, so that they survive a power cut."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def child(self, name: str) -> LocalFolder:
        return LocalFolder(self.path / _checked(name))

    def sizes(self) -> dict[str, int]:
        return {
            entry.name: sum(self.child(entry.name).files().values())
            for entry in self._entries()
            if entry.is_dir(follow_symlinks=False)
        }

    def files(self) -> dict[str, int]:
        sizes = {}
        for entry in self._entries():
            with suppress(FileNotFoundError):
                if entry.is_file():
                    sizes[entry.name] = entry.stat().st_size
        return sizes

    def read(self, name: str) -> bytes:
        return (self.path / _checked(name)).read_bytes()

    def write(self, name: str, content: bytes | memoryview) -> None:
        target = self.path / _checked(name)
        self.path.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=self.path, prefix=_partial_prefix(), delete=False) as file:
            partial = Path(file.name)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                partial.replace(target)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        _sync_folder(self.path)

    def remove(self, name: str) -> None:
        (self.path / _checked(name)).unlink(missing_ok=True)

    def remove_abandoned(self) -> None:
        for entry in self._entries():
            if _is_abandoned(entry.name):
                self.remove(entry.name)

    def delete(self) -> None:
        rmtree(self.path, ignore_errors=True)

    def _entries(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.path) as entries:
                return list(entries)
        except (FileNotFoundError, NotADirectoryError):
            return []


class RemoteFolder:
    """A folder at any URL that fsspec has a file system for. All errors are OSErrors."""

    def __init__(self, file_system: Any, path: str, url: str) -> None:
        """Args: url: of the folder, for messages."""
        self._files = file_system
        self._path = path.rstrip("/")
        self._url = url.rstrip("/")
        names = file_system.protocol
        self._is_atomic = not _ATOMIC.isdisjoint([names] if isinstance(names, str) else names)

    def __str__(self) -> str:
        return hide_password(self._url)

    def child(self, name: str) -> RemoteFolder:
        name = _checked(name)
        return RemoteFolder(self._files, f"{self._path}/{name}", f"{self._url}/{name}")

    def sizes(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        with self._errors():
            self._files.invalidate_cache()  # other processes write here too
            for path, info in self._files.find(self._path, detail=True).items():
                folder, _, rest = self._below(path).partition("/")
                if rest:
                    sizes[folder] = sizes.get(folder, 0) + int(info["size"] or 0)
        return sizes

    def files(self) -> dict[str, int]:
        with self._errors():
            self._files.invalidate_cache()
            try:
                entries = self._files.ls(self._path, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return {}
            return {
                self._below(entry["name"]): int(entry["size"] or 0)
                for entry in entries
                if entry["type"] == "file"
            }

    def read(self, name: str) -> bytes:
        path = self._join(name)
        with self._errors():
            return bytes(self._files.cat_file(path))

    def write(self, name: str, content: bytes | memoryview) -> None:
        target = self._join(name)
        with self._errors():
            self._files.makedirs(self._path, exist_ok=True)
            if self._is_atomic:
                self._files.pipe_file(target, bytes(content))
                return
            partial = self._join(f"{_partial_prefix()}{uuid4().hex}")
            try:
                self._files.pipe_file(partial, bytes(content))
                self._files.mv(partial, target)
            except BaseException:
                with suppress(Exception):
                    self._files.rm_file(partial)
                raise

    def remove(self, name: str) -> None:
        path = self._join(name)
        with self._errors(), suppress(FileNotFoundError):
            self._files.rm_file(path)

    def remove_abandoned(self) -> None:
        if not self._is_atomic:
            for name in filter(_is_abandoned, self.files()):
                self.remove(name)

    def delete(self) -> None:
        with suppress(OSError), self._errors():
            self._files.invalidate_cache()
            self._files.rm(self._path, recursive=True)

    def _join(self, name: str) -> str:
        return f"{self._path}/{_checked(name)}"

    def _below(self, path: str) -> str:
        return path.removeprefix("/").removeprefix(self._path.removeprefix("/")).strip("/")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the errors of the file system's driver into OSErrors without a password."""
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:
            text = str(error.strerror or error) if isinstance(error, OSError) else ""
            what = _without(self._url, text or format_error(error))
            raise OSError(getattr(error, "errno", None) or errno.EIO, f"{self}: {what}") from None


def open_folder(place: str) -> Folder:
    """The folder of a path or a URL; nothing is created or contacted.

    Raises:
        StorageError: a URL of an unknown kind, or one whose driver is not installed.
    """
    scheme, separator, rest = place.partition("://")
    if not separator:
        return LocalFolder(Path(place).expanduser())
    if scheme in ("file", "local"):
        if not Path(rest).is_absolute():
            raise StorageError(
                f"{place} has two slashes, and needs three; write {scheme}:///{rest}"
            )
        return LocalFolder(Path(rest))
    from fsspec.core import url_to_fs  # takes a tenth of a second

    shown = hide_password(place)
    try:
        file_system, path = url_to_fs(place)
    except ImportError as error:
        missing = getattr(error.__cause__ or error, "name", None)
        if not missing:
            raise StorageError(f"{shown} cannot be used: {format_error(error)}") from None
        package = missing.partition(".")[0]
        raise StorageError(f"{shown} needs the package {package}; pip install {package}") from None
    except Exception as error:
        raise StorageError(
            f"{shown} cannot be used: {_without(place, format_error(error))}; name a folder, or a "
            "URL such as s3://bucket/folder"
        ) from None
    return RemoteFolder(file_system, path, place)


def hide_password(url: str) -> str:
    """The URL without user, password and query, which may hold a signature."""
    return re.sub(r"\?.*", "?***", re.sub(r"//.*@", "//***@", url))


def has_secret(place: str) -> bool:
    """Whether the place is a URL with parts that must not be shown."""
    return "://" in place and hide_password(place) != place


def _without(url: str, text: str) -> str:
    """The text without what `hide_password` hides in the URL."""
    for secret in re.findall(r"//(?:[^/@]*:)?(.*)@|\?(.*)", url):
        for part in filter(None, secret):
            text = text.replace(part, "***")
    return text


def _checked(name: str) -> str:
    """The name, if it is one of something in the folder."""
    if name in ("", ".", "..") or re.search(r"[/\\\0]", name):
        raise ValueError(f"{name!r} is not the name of a file in a folder")
    return name


def _partial_prefix() -> str:
    """Begins the name of a file that is written from now on: not every store knows such times."""
    return f"{PARTIAL}{int(time())}-"


def _is_abandoned(name: str) -> bool:
    began = re.match(rf"{re.escape(PARTIAL)}(\d+)-", name)
    return began is not None and time() - int(began[1]) > ABANDONED_S


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system lets a folder be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
