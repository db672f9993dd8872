"""Where a dataset's files are: in a folder or a zip, perhaps compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

from ...base.files import is_file, is_folder
from ...errors import DataError

_OPENERS: dict[str, Callable[[IO[bytes]], AbstractContextManager[Any]]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
ZIP = ".zip"
COMPRESSIONS = (*_OPENERS, ZIP)

_DAMAGE = (BadZipFile, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError, NotImplementedError)


@dataclass(frozen=True)
class Source:
    """A file to read.

    Attributes:
        path: on disk.
        member: the file's name inside the zip at `path`; None if it is not in a zip.
        label: what errors call the file, where that is not its path.
    """

    path: Path
    member: str | None = None
    label: str | None = None

    @property
    def name(self) -> str:
        """The file's own name, without a compression's suffix: it tells the format."""
        name = PurePosixPath(self.member).name if self.member else self.path.name
        return name.removesuffix(_compression(name))

    def __str__(self) -> str:
        """The path as errors show it, with the name inside a zip after it."""
        path = f"{self.path}/{self.member}" if self.member else str(self.path)
        return self.label or path

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The decompressed bytes. Reading them may raise the errors below, too.

        Raises:
            DataError: the file cannot be read, or its compression is damaged.
        """
        try:
            with self._open_raw() as raw:
                opener = _OPENERS.get(_compression(self.member or self.path.name))
                with opener(raw) if opener else raw as file:
                    yield file
        except _DAMAGE as error:
            raise DataError(
                f"{self} is damaged: {' '.join(str(error).split())}; copy or download it again"
            ) from None
        except RuntimeError as error:  # zipfile's, for an encrypted member
            if "password" not in str(error):
                raise
            raise DataError(f"{self} is encrypted; unpack it first") from None
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"{self} cannot be read: {reason}; name a readable file") from None

    @contextmanager
    def _open_raw(self) -> Iterator[IO[bytes]]:
        if self.member is None:
            with self.path.open("rb") as file:
                yield file
            return
        with ZipFile(self.path) as zip_file, zip_file.open(self.member) as member:
            yield member


@dataclass(frozen=True)
class Place:
    """A folder or a zip that holds a dataset's files."""

    path: Path

    def find(self, *names: str) -> Source | None:
        """The first of the files that exists, as it is or compressed."""
        if is_folder(self.path):
            return next(self._in_folder(names), None)
        members = self.members()
        for name in with_compressions(names):
            found = [member for member in members if PurePosixPath(member).name == name]
            if len(found) > 1:
                raise DataError(
                    f"{self.path} has several {name}: {' and '.join(found[:2])}; unpack it, and "
                    "name the folder or file to read"
                )
            if found:
                return Source(self.path, found[0])
        return None

    def files(self) -> list[str]:
        """Names of all files directly in the folder, or anywhere in the zip; sorted."""
        if is_folder(self.path):
            return sorted(entry.name for entry in self.path.iterdir() if is_file(entry))
        return [PurePosixPath(member).name for member in self.members()]

    def members(self) -> list[str]:
        """The zip's files by depth and name, without macOS's resource forks."""
        try:
            with ZipFile(self.path) as zip_file:
                members = [entry.filename for entry in zip_file.infolist() if not entry.is_dir()]
        except (OSError, BadZipFile) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(
                f"{self.path} cannot be read as a zip: {reason}; copy or download it again"
            ) from None
        members = [name for name in members if not name.startswith("__MACOSX/")]
        return sorted(members, key=lambda name: (name.count("/"), name))

    def _in_folder(self, names: Iterable[str]) -> Iterator[Source]:
        for name in with_compressions(names):
            path = self.path / name
            if not path.exists():
                continue
            if name.endswith(ZIP) and (member := only_member(path)):
                yield Source(path, member)
            else:
                yield Source(path)


def only_member(path: Path) -> str | None:
    """The file in a zip that holds one file; None if there are several."""
    members = Place(path).members()
    return members[0] if len(members) == 1 else None


def is_zip(path: Path) -> bool:
    return path.suffix.lower() == ZIP and is_file(path)


def with_compressions(names: Iterable[str]) -> Iterator[str]:
    """Each name, followed by its names with a compression's suffix."""
    for name in names:
        yield name
        yield from (f"{name}{suffix}" for suffix in COMPRESSIONS)


def _compression(name: str) -> str:
    """The suffix of a compression that a file's name ends with; empty for none."""
    return next((name[-len(end) :] for end in COMPRESSIONS if name.lower().endswith(end)), "")
