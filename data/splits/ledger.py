"""The ledger of test splits: which config opened one, when and by which command.

number = Ledger().record_opening(
    split_fingerprint(ratings, spec),
    config=config_to_mapping(config), dataset="ml-1m", split=spec, command="evaluate",
)

DATA_DIR/ledger/FINGERPRINT.jsonl has one line per opening; lines are only ever appended.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock

from ...errors import DataError
from ..data_folder import DATA_DIR_VARIABLE, data_folder
from .spec import SplitSpec

_BINARY = getattr(os, "O_BINARY", 0)  # on Windows: no translation of line ends


@dataclass(frozen=True, kw_only=True)
class Opening:
    """One opening of a test split.

    Attributes:
        number: 1 for the first opening of this split.
        opened_at: ISO 8601, UTC.
        config: `config_hash` of the config.
        split: `SplitSpec.to_mapping` of the split.
    """

    number: int
    opened_at: str
    architecture: str
    config: str
    dataset: str
    split: Mapping[str, Any]
    command: str


class Ledger:
    """The openings of every test split recorded in a data folder.

    Args:
        data_dir: contains the folder `ledger`. [default: `data_folder()`]
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self.folder = data_folder(data_dir) / "ledger"

    def record_opening(
        self,
        fingerprint: str,
        *,
        config: Mapping[str, Any],
        dataset: str,
        split: SplitSpec,
        command: str,
    ) -> int:
        """Record an opening on disk. Call it before showing any test metric.

        Args:
            fingerprint: of the split, from `split_fingerprint`.
            config: of the model; its hash and its architecture are recorded.

        Returns:
            The opening's number, from 1, correct even if several processes open at once.

        Raises:
            DataError: the opening cannot be recorded, so no test metric must be shown.
        """
        entry = {
            "opened_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "architecture": config.get("architecture", ""),
            "config": config_hash(config),
            "dataset": dataset,
            "split": split.to_mapping(),
            "command": command,
        }
        try:
            with self._locked(fingerprint) as file:
                content = _read_all(file)
                # A crash while writing leaves a truncated line. No metric was shown for it, so it
                # is not counted; a line break separates it from the new entry.
                is_truncated = bool(content) and not content.endswith(b"\n")
                _append(file, b"\n" * is_truncated + json.dumps(entry).encode() + b"\n")
                return len(list(_entries(content))) + 1
        except OSError as error:
            raise DataError(
                f"cannot record the opening of the test split in {self.folder}: "
                f"{error.strerror}; make that folder writable, or choose another data folder with "
                f"{DATA_DIR_VARIABLE}"
            ) from None

    def openings(self, fingerprint: str) -> list[Opening]:
        """The openings of one split, oldest first; empty if it is still sealed.

        Raises:
            DataError: the ledger cannot be read.
        """
        path = self._path(fingerprint)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DataError(
                f"{path} cannot be read: {error.strerror}; make it readable, or choose another "
                f"data folder with {DATA_DIR_VARIABLE}"
            ) from None
        return [
            Opening(
                number=number,
                opened_at=entry.get("opened_at", ""),
                architecture=entry.get("architecture", ""),
                config=entry.get("config", ""),
                dataset=entry.get("dataset", ""),
                split=entry.get("split", {}),
                command=entry.get("command", ""),
            )
            for number, entry in enumerate(_entries(content), start=1)
        ]

    def _path(self, fingerprint: str) -> Path:
        return self.folder / f"{fingerprint}.jsonl"

    @contextmanager
    def _locked(self, fingerprint: str) -> Iterator[int]:
        """The split's file, open for reading and appending under an exclusive lock."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(fingerprint)
        with FileLock(path.with_suffix(".lock")):  # released on close and on a crash
            file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _BINARY, 0o666)
            try:
                _sync_folder(path.parent)  # a new file's directory entry must survive a power cut
                yield file
            finally:
                os.close(file)


def config_hash(config: Mapping[str, Any]) -> str:
    """16 hex digits that change with any field's value, but not with the order of fields."""
    return sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _read_all(file: int) -> bytes:
    os.lseek(file, 0, os.SEEK_SET)
    with os.fdopen(file, "rb", closefd=False) as reader:
        return reader.read()


def _append(file: int, line: bytes) -> None:
    while line:
        line = line[os.write(file, line) :]
    os.fsync(file)


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # which cannot open a folder, and needs no sync of it
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _entries(content: bytes) -> Iterator[dict[str, Any]]:
    """The entries of all complete lines, in order."""
    for line in content.split(b"\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry
