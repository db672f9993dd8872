"""Files that are written completely or not at all, and the disk space for them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from ..errors import OutputError


def is_file(path: Path) -> bool:
    """Whether the file exists; False also for an invalid path."""
    try:
        return path.is_file()
    except OSError:  # for example, the name is too long
        return False


def is_folder(path: Path) -> bool:
    """Whether the folder exists; False also for an invalid path."""
    try:
        return path.is_dir()
    except OSError:
        return False


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` create the file next to its target, then rename it into place.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        if path.is_dir():
            raise OutputError(f"{path} cannot be written: it is a folder; name a file in it")
        with TemporaryDirectory(dir=path.parent, prefix=".partial-") as folder:
            partial = Path(folder, path.name)
            write(partial)
            partial.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}; "
            "name a file in an existing folder"
        ) from None


def check_writable(folder: Path) -> None:
    """Create a temporary file in `folder` and remove it.

    Raises:
        OutputError: the folder does not exist, or no file can be created in it.
    """
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"folder {folder} cannot be written: {error.strerror or error}; "
            "choose another folder, or ask its owner for write access"
        ) from None


def nearest_folder(path: Path) -> Path:
    """The path, or its nearest parent that exists."""
    path = path.absolute()
    return path if path.exists() else nearest_folder(path.parent)


def free_bytes(path: Path) -> int:
    """Free disk space at the path, which need not exist yet."""
    return shutil.disk_usage(nearest_folder(path)).free
