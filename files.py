"""Files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from .errors import OutputError


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
