"""The ledger of one GPU: what the processes of this machine have reserved of its memory.

A small JSON file in the machine's folder for temporary files, behind a file lock. All processes of
a user share it, whichever studies and storages they work on. Entries of processes that have ended
are dropped when the ledger is opened.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from ...base.messages import format_error
from ...errors import OutputError
from ..storage.worker import has_ended

State = Literal["waiting", "training", "idle"]


@dataclass(kw_only=True)
class Entry:
    """What a process has reserved.

    Attributes:
        worker: its identity, as trials store it.
        state: it waits for room, trains, or has trained and keeps its CUDA context.
        bytes: that it may take, with the context.
        alone: whether its trial must not share the GPU.
    """

    worker: dict[str, Any]
    state: State
    bytes: float
    alone: bool = False


@dataclass(kw_only=True)
class Page:
    """The content of a ledger.

    Attributes:
        entries: in the order of arrival; a process that waits again is last.
        foreign_bytes: that other programs held when no process of the ledger trained.
    """

    entries: list[Entry] = field(default_factory=list)
    foreign_bytes: float = 0.0

    def of(self, run: str) -> Entry | None:
        """The entry of a run."""
        return next((entry for entry in self.entries if entry.worker["run"] == run), None)

    def without(self, run: str) -> list[Entry]:
        """The entries of all other runs."""
        return [entry for entry in self.entries if entry.worker["run"] != run]


class Ledger:
    """The ledger of a GPU."""

    def __init__(self, gpu: str, folder: Path | None = None) -> None:
        """Args:
        gpu: its UUID.
        folder: [default: `ledger_folder()`]
        """
        name = re.sub(r"\W", "-", gpu)
        self._file = (folder or ledger_folder()) / f"{name}.json"

    @contextmanager
    def open(self) -> Iterator[Page]:
        """Hold the ledger; changes to the page are stored when the block ends without an error.

        Raises:
            OutputError: it cannot be written.
        """
        lock = FileLock(self._file.with_suffix(".lock"))
        try:
            self._file.parent.mkdir(mode=0o700, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise self._refusal(error) from None
        try:
            page = self._read()
            yield page
            self._write(page)
        finally:
            lock.release()

    def _write(self, page: Page) -> None:
        partial = self._file.with_suffix(".partial")
        try:
            partial.write_text(json.dumps(asdict(page)))
            partial.replace(self._file)
        except OSError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self._file} cannot be written ({format_error(error)}), so trials cannot share the "
            "GPU; set TMPDIR to another folder, or leave out --trials-per-gpu"
        )

    def _read(self) -> Page:
        try:
            stored = json.loads(self._file.read_text())
            entries = [Entry(**entry) for entry in stored["entries"]]
            page = Page(entries=entries, foreign_bytes=stored["foreign_bytes"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):  # new, or of another version
            page = Page()
        page.entries = [entry for entry in page.entries if not has_ended(entry.worker)]
        return page


def ledger_folder() -> Path:
    """The folder of this user's ledgers on this machine."""
    user = getattr(os, "getuid", getpass.getuser)()  # Windows has names only
    return Path(tempfile.gettempdir(), f"recsys-search-gpus-{user}")
