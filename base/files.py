"""Files and other outputs that a user names, and the disk space for them."""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TextIO

from ..errors import OutputError
from .messages import printable

STDOUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")

_MAX_LINKS = 40  # in a row, as in Linux

# Why a file that can be written may not be replaced: its folder is read-only, it belongs to someone
# else (EINVAL: someone unknown to this container), or it is a mount point (EBUSY, EXDEV).
_WRITE_IN_PLACE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EINVAL,
    errno.EBUSY,
    errno.EXDEV,
}

_REMEDIES = {
    errno.ENOENT: "name a file in an existing folder",
    errno.ENOTDIR: "name a file in an existing folder",
    errno.EISDIR: "name a file in it",
    errno.EACCES: "name another file, or allow writing with chmod",
    errno.ENOSPC: "free some space, or name a file on another disk",
    errno.EFBIG: "raise the limit (ulimit -f), or name a file on another disk",
    errno.EPIPE: "let the reader read to the end, or name a file",
}


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


def can_be_read(path: Path) -> bool:
    """Whether the path is a file or anything else but a folder, such as a pipe."""
    try:
        return path.exists() and not path.is_dir()
    except OSError:
        return False


def is_pipe(path: Path) -> bool:
    """Whether the path is a FIFO, as that of a shell's `<(...)`."""
    try:
        return path.is_fifo()
    except OSError:
        return False


def is_descriptor(path: Path) -> bool:
    """Whether the path is that of an open file, such as /dev/stdin or the /dev/fd/63 of a shell."""
    return any(path.absolute().is_relative_to(folder) for folder in ("/dev", "/proc"))


def write_output(path: Path, content: str | Callable[[TextIO], object]) -> None:
    r"""Write text, as UTF-8 with \n at line ends, to an output that a user names.

    - `-`, or a name of stdout such as /dev/stdout: to stdout.
    - A FIFO, a device, or an open file such as /dev/fd/3: after what is there.
    - Any other file: completely or not at all, by renaming a complete file. A link stays and the
      file that it leads to is replaced; an existing file keeps its owner and permissions. A file
      that can be written but not replaced, such as a mount point, is written in place.

    Args:
        content: the text, or a function that writes it to a stream.

    Raises:
        OutputError: the output cannot be written; also for a read-only file, and for a FIFO whose
            reader went away.
    """
    write = (lambda stream: stream.write(content)) if isinstance(content, str) else content
    try:
        if is_stdout(path):
            with _stdout_as_utf8() as stream:
                write(stream)
        elif is_stream(path):
            # No O_CREAT and no O_TRUNC: what is there stays as it is.
            with _open(os.open(path, os.O_WRONLY | os.O_APPEND)) as stream:
                write(stream)
        else:
            _replace(_follow(path), write)
    except OSError as error:
        raise _output_error(path, error) from None


def is_stdout(path: Path | None) -> bool:
    """Whether `path` is `-`, or a name of or a link to this process's stdout."""
    if path is None:
        return False
    if str(path) in STDOUT:
        return True
    try:
        return str(_follow(path)) in ("/dev/fd/1", os.path.realpath("/proc/self/fd") + "/1")
    except OSError:
        return False


def is_stream(path: Path) -> bool:
    """Whether `path` is stdout, an open file, a FIFO or a device, which no file may replace."""
    if is_stdout(path):
        return True
    try:
        path = _follow(path)
        if path.is_relative_to("/proc") or path.parent == Path("/dev/fd"):
            return True
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


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


def _follow(path: Path) -> Path:
    """Where the links from `path` lead; the end need not exist.

    The links in /proc are not followed: they lead to open files, which may have no name.
    """
    for _ in range(_MAX_LINKS):
        path = Path(os.path.realpath(path.parent), path.name)
        if path.is_relative_to("/proc") or not path.is_symlink():
            return path
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, "its symbolic links lead in a circle")


def _replace(path: Path, write: Callable[[TextIO], object]) -> None:
    """Write a complete file, then rename it to `path`, which must not be a link."""
    before = _status(path)
    if before is not None:
        if stat.S_ISDIR(before.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        # The bits count for root too, who could write the file all the same.
        if not before.st_mode & 0o222 or not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "it is read-only")
    with _folder_for_partial(path, may_copy=before is not None) as folder:
        partial = Path(folder, path.name)
        with _open(partial) as stream:
            write(stream)
        try:
            if before is not None:
                if hasattr(os, "chown"):  # not on Windows
                    os.chown(partial, before.st_uid, before.st_gid)
                partial.chmod(stat.S_IMODE(before.st_mode))
            partial.replace(path)
        except OSError as error:
            if before is None or error.errno not in _WRITE_IN_PLACE:
                raise
            shutil.copyfile(partial, path)


def _folder_for_partial(path: Path, *, may_copy: bool) -> TemporaryDirectory[str]:
    """A folder for the partial file, next to the complete one so that it can be renamed.

    Args:
        may_copy: whether the system's temporary folder will do, where no folder can be made there.
    """
    try:
        return TemporaryDirectory(dir=path.parent, prefix=".partial-")
    except OSError as error:
        if may_copy and error.errno in _WRITE_IN_PLACE:
            return TemporaryDirectory()
        raise


@contextmanager
def _stdout_as_utf8() -> Iterator[TextIO]:
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:  # not the interpreter's own, such as a notebook's; None if it is closed
        yield sys.stdout or io.StringIO()
        return
    sys.stdout.flush()
    stream = io.TextIOWrapper(buffer, encoding="utf-8", newline="\n")
    try:
        yield stream
    finally:
        stream.detach()  # flushes; without it, stdout would be closed with the wrapper


def _open(file: Path | int) -> TextIO:
    return open(file, "w", encoding="utf-8", newline="\n")  # noqa: PTH123 - or a descriptor


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _output_error(path: Path, error: OSError) -> OutputError:
    name = "stdout" if is_stdout(path) else printable(path, 200)
    reason = error.strerror or error
    if isinstance(error, BrokenPipeError):
        reason = "its reader went away"
    remedy = _REMEDIES.get(error.errno or 0, "name another file")
    return OutputError(f"{name} cannot be written: {reason}; {remedy}")
