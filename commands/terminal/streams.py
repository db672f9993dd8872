"""Stdout and stderr that never raise: a failed print must not end a command's work."""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

# For streams that take only ASCII; any other character becomes an escape such as \xfc.
ASCII = {"±": "+/-", "×": "x", "·": "*", "²": "^2", "→": "->", "…": "..."}
ASCII |= dict.fromkeys("–—−─", "-")
ASCII |= {"━": "=", "●": "*", "○": "o", "│": "|", "┤": "|", "└": "+"} | dict(
    zip("▁▂▃▄▅▆▇█", "_.-:=+*#", strict=True)
)  # bars and curves

ERROR_HANDLER = "recsys_search.ascii"  # name of the codec error handler that uses `ASCII`


def install_streams() -> None:
    """Let `sys.stdout` and `sys.stderr` write what they can, and drop the rest.

    A stream that was replaced, such as a notebook's, stays. Closed descriptors among 0 to 2 are
    opened on the null device; otherwise the next file to be opened, such as a database, would get
    one of these numbers, and be printed into.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)
    if sys.stdout is sys.__stdout__:
        sys.stdout = lenient_stream(sys.stdout, "<stdout>")
    if sys.stderr is sys.__stderr__:
        sys.stderr = lenient_stream(sys.stderr, "<stderr>")


def lost_on_stdout() -> str | None:
    """Why some of the output on stdout is lost, such as a full disk.

    Returns:
        The first error; None if nothing is lost, or if nobody reads stdout: it is closed, or the
        reader of the pipe has ended.
    """
    raw = getattr(sys.stdout, "buffer", None)
    error = raw.error if isinstance(raw, _LenientWriter) else None
    if error is None or isinstance(error, ConnectionError) or error.errno == errno.EBADF:
        return None
    return error.strerror


class _LenientWriter(io.RawIOBase):
    """Writes to a descriptor, and ignores failures.

    It has no buffer, so a signal handler may print during a print, which a buffered stream refuses,
    and nothing is left to write when the interpreter exits.

    Attributes:
        error: the first error.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self.error: OSError | None = None
        self.name = name
        self.mode = "wb"
        self._descriptor = descriptor

    def write(self, data: Buffer) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # a program that shares the pipe has made it non-blocking
                select.select([], [self._descriptor], [])
            except OSError as error:
                self.error = self.error or error
                break
        return size

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


def lenient_stream(stream: TextIO | None, name: str) -> TextIO:
    """A stream to the same place; None stands for a closed one, where every write fails."""
    if stream is None:
        descriptor, encoding = os.open(os.devnull, os.O_RDONLY), "utf-8"
    else:
        descriptor, encoding = stream.fileno(), stream.encoding
    codecs.register_error(ERROR_HANDLER, _to_ascii)
    raw = _LenientWriter(descriptor, name)
    return io.TextIOWrapper(raw, encoding, errors=ERROR_HANDLER, write_through=True)


def _to_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    """A replacement for the first character that cannot be encoded, and where to continue."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if character in ASCII:
        return ASCII[character], error.start + 1
    error.end = error.start + 1  # one at a time
    return codecs.backslashreplace_errors(error)
