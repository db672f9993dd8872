"""The seal of the test splits: counts who opened one, when and with which config.

number = Ledger().record_opening(
    split_fingerprint(ratings, spec),
    config=config_to_mapping(config), dataset="ml-1m", split=spec, command="evaluate",
)

DATA_DIR/ledger/FINGERPRINT.jsonl holds one opening a line, and nothing is ever taken out of it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from ...errors import DataError
from ..folder import DATA_DIR_VARIABLE, data_folder
from .spec import SplitSpec


@dataclass(frozen=True, kw_only=True)
class Opening:
    """One look at a test split.

    Attributes:
        number: 1 for the first of this split.
        opened_at: ISO 8601, UTC.
        config: 16 hex digits, as `config_hash` gives them.
        split: the method and its values, as `SplitSpec.to_mapping` gives them.
    """

    number: int
    opened_at: str
    architecture: str
    config: str
    dataset: str
    split: Mapping[str, Any]
    command: str


class Ledger:
    """The openings of every test split that this data folder knows of.

    Args:
        data_dir: holds the folder `ledger`. [default: `data_folder()`]
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
        """Writes an opening down, on the disk, before the figure is given.

        Args:
            fingerprint: as `split_fingerprint` gives it.
            config: the model's, as a mapping; its architecture is named beside its hash.

        Returns:
            Which opening this is: 1 for the first, however many processes open at once.

        Raises:
            DataError: it cannot be written down; then the figure must not be given.
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
                written = _read_all(file)
                # A line that a crash cut off gave no figure: it stays, uncounted, on its own.
                torn = bool(written) and not written.endswith(b"\n")
                _append(file, b"\n" * torn + json.dumps(entry).encode() + b"\n")
                return len(list(_entries(written))) + 1
        except OSError as error:
            raise DataError(
                f"the opening of the test split cannot be counted in {self.folder}: "
                f"{error.strerror}; make that folder writable, or name another data folder with "
                f"{DATA_DIR_VARIABLE}"
            ) from None

    def openings(self, fingerprint: str) -> list[Opening]:
        """The openings of one split, the first one first; none where it is still sealed.

        Raises:
            DataError: the ledger cannot be read.
        """
        path = self._path(fingerprint)
        try:
            written = path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DataError(
                f"{path} cannot be read: {error.strerror}; make it readable, or name another data "
                f"folder with {DATA_DIR_VARIABLE}"
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
            for number, entry in enumerate(_entries(written), start=1)
        ]

    def _path(self, fingerprint: str) -> Path:
        return self.folder / f"{fingerprint}.jsonl"

    @contextmanager
    def _locked(self, fingerprint: str) -> Iterator[int]:
        """The split's file, open for reading and appending by this process alone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(fingerprint)
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)  # closing it, or dying, unlocks
            _sync_folder(path.parent)  # the file's name must survive a power cut, too
            yield file
        finally:
            os.close(file)


def config_hash(config: Mapping[str, Any]) -> str:
    """16 hex digits that differ where any field does, whatever the fields' order."""
    return sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _read_all(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def _append(file: int, line: bytes) -> None:
    while line:
        line = line[os.write(file, line) :]
    os.fsync(file)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _entries(written: bytes) -> Iterator[dict[str, Any]]:
    """Every whole line, in order."""
    for line in written.split(b"\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry
