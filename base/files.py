"""Files that are there whole or not at all, and the room for them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from ..errors import OutputError


def is_file(path: Path) -> bool:
    """Whether there is such a file; False also for what is no path at all."""
    try:
        return path.is_file()
    except OSError:  # its name is too long
        return False


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; False also for what is no path at all."""
    try:
        return path.is_dir()
    except OSError:
        return False


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Has `write` make the file elsewhere in its folder, and moves it to its place.

    Raises:
        OutputError: it cannot be written there.
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
            "name a file in a folder that is there"
        ) from None


def check_writable(folder: Path) -> None:
    """Makes a file in `folder` that is gone again.

    Raises:
        OutputError: there is no such folder, or no file can be made in it.
    """
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"folder {folder} cannot be written: {error.strerror or error}; "
            "choose another one, or ask its owner for the right"
        ) from None


def nearest_folder(path: Path) -> Path:
    """The path, or the first above it that is there."""
    path = path.absolute()
    return path if path.exists() else nearest_folder(path.parent)


def free_bytes(path: Path) -> int:
    """Room where the path is, or will be."""
    return shutil.disk_usage(nearest_folder(path)).free
