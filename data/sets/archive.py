"""Unpacks zip files from untrusted sources."""

from __future__ import annotations

import stat
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from ...errors import DataError

MAX_UNPACKED_BYTES = 20 * 10**9  # ML-32M has about 1 GB
MAX_EXPANSION = 100  # unpacked bytes per byte of the zip; MovieLens has about 5


def unpack(archive: Path, into: Path) -> None:
    """Unpack all of `archive` into the folder `into`.

    Raises:
        DataError: the zip is damaged, an entry is unsafe (it points outside the folder or is not a
            regular file), or the content is too large. Nothing is written for the last two.
    """
    try:
        with ZipFile(archive) as zip_file:
            entries = zip_file.infolist()
            for entry in entries:
                if problem := _problem(entry):
                    raise DataError(
                        f"{archive.name} is refused: its entry {_shorten(entry)} {problem}"
                    )
            size, zip_size = sum(entry.file_size for entry in entries), archive.stat().st_size
            if size > min(MAX_UNPACKED_BYTES, MAX_EXPANSION * zip_size):
                raise DataError(
                    f"{archive.name} is refused: its {zip_size} bytes would unpack to {size}, more "
                    f"than {MAX_EXPANSION} times as many or more than {MAX_UNPACKED_BYTES}"
                )
            zip_file.extractall(into)
    # RuntimeError: an entry is encrypted, or (NotImplementedError) its compression is unknown.
    except (BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise DataError(f"{archive.name} is a damaged zip: {error}") from None


def _problem(entry: ZipInfo) -> str | None:
    """Why an entry is unsafe to unpack, or None."""
    # `filename` is cut at a NUL byte, `orig_filename` is not.
    name = entry.orig_filename
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or PureWindowsPath(name).drive:
        return "has an absolute path"
    if ".." in path.parts or "\0" in name:
        return "points outside its folder"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a folder"
    return None


def _shorten(entry: ZipInfo) -> str:
    name = entry.orig_filename
    return repr(name if len(name) <= 60 else f"{name[:57]}...")
