"""Unpacks a zip that a stranger may have made."""

from __future__ import annotations

import stat
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from ...errors import DataError

MAX_UNPACKED_BYTES = 20 * 10**9  # unpacked; ML-32M has about 1
MAX_EXPANSION = 100  # unpacked bytes per byte of the zip; MovieLens has about 5


def unpack(archive: Path, into: Path) -> None:
    """Unpacks all of `archive` into the folder `into`, or nothing of it.

    Raises:
        DataError: it is no zip or a damaged one, an entry leads out of the folder or is no plain
            file, or there is too much of it. The last two are refused before anything is written.
    """
    try:
        with ZipFile(archive) as packed:
            entries = packed.infolist()
            for entry in entries:
                if fault := _fault(entry):
                    raise DataError(f"{archive.name} is refused: its entry {_shown(entry)} {fault}")
            size, most = sum(entry.file_size for entry in entries), archive.stat().st_size
            if size > min(MAX_UNPACKED_BYTES, MAX_EXPANSION * most):
                raise DataError(
                    f"{archive.name} is refused: {most} bytes would unpack to {size}, over "
                    f"{MAX_EXPANSION} times as many or over {MAX_UNPACKED_BYTES}"
                )
            packed.extractall(into)
    # RuntimeError: an entry is encrypted, or (NotImplementedError) packed in an unknown way.
    except (BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise DataError(f"{archive.name} is a damaged zip: {error}") from None


def _fault(entry: ZipInfo) -> str | None:
    """Why an entry is not to be unpacked, None where it may be."""
    # `filename` ends at a NUL byte; what follows one, `orig_filename` alone shows.
    name = entry.orig_filename
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or PureWindowsPath(name).drive:
        return "has an absolute path"
    if ".." in path.parts or "\0" in name:
        return "leaves its folder"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a folder"
    return None


def _shown(entry: ZipInfo) -> str:
    name = entry.orig_filename
    return repr(name if len(name) <= 60 else f"{name[:57]}...")
