"""A training's state on disk, written so that a crash at any moment leaves a complete one.

FOLDER/00000012-3f0c9a5be1d2c3a4.pt    number, and the first 16 hex digits of the file's SHA-256
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from shutil import rmtree
from tempfile import NamedTemporaryFile
from time import monotonic
from typing import Any

import torch

from ...base.messages import format_error
from .training import Training

SAVE_EVERY_S = 60  # at an epoch's end; less than that is cheap to train again
KEPT = 2  # if the newest is damaged, training goes on from the one before
_NAME = re.compile(r"([0-9]{8,})-([0-9a-f]{16})\.pt")


class Checkpoints:
    """The checkpoints of one training, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a checkpoint, synced to disk, and remove all but the newest two.

        Args:
            state: plain values and tensors, as `Training.state` returns it.

        Raises:
            OSError: it cannot be written; earlier checkpoints are still there.
        """
        buffer = BytesIO()
        torch.save(dict(state), buffer)
        content = buffer.getbuffer()
        self.folder.mkdir(parents=True, exist_ok=True)
        earlier = self._files()
        number = 1 + (_number(earlier[0]) if earlier else 0)
        target = self.folder / f"{number:08}-{_digest(content)}.pt"
        with NamedTemporaryFile(dir=self.folder, prefix=".partial-", delete=False) as file:
            partial = Path(file.name)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                partial.replace(target)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        _sync_folder(self.folder)
        for path in earlier[KEPT - 1 :]:
            path.unlink(missing_ok=True)

    def load(self) -> dict[str, Any] | None:
        """The newest checkpoint that is not damaged; None without one."""
        for path in self._files():
            try:
                content = path.read_bytes()
                if _digest(content) == _digest_in(path):
                    state: dict[str, Any] = torch.load(
                        BytesIO(content), map_location="cpu", weights_only=True
                    )
                    return state
            except Exception:  # unreadable, or of another version of torch
                continue
        return None

    def remove(self) -> None:
        """Delete the folder."""
        rmtree(self.folder, ignore_errors=True)

    def _files(self) -> list[Path]:
        """The checkpoints, newest first; also removes what a killed process left half written."""
        if not self.folder.is_dir():
            return []
        for path in self.folder.glob(".partial-*"):
            path.unlink(missing_ok=True)
        files = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(files, key=_number, reverse=True)


class ResumableTraining:
    """Saves one training to a folder, and goes on from there."""

    def __init__(self, folder: Path, notify: Callable[[str], None]) -> None:
        """Args: notify: called with a message if no checkpoint can be written."""
        self._checkpoints = Checkpoints(folder)
        self._notify = notify
        self._saved_at = monotonic()
        self._failed = False

    def resume(self, run: Training) -> bool:
        """Go on where the last checkpoint ends; False if the training must start again.

        Args:
            run: entered, and not iterated over yet.
        """
        state = self._checkpoints.load()
        if state is None:
            return False
        try:
            run.resume(state)
        except ValueError:  # of another training, such as with a batch that was too large
            return False
        return True

    def save(self, run: Training, *, now: bool = False) -> None:
        """Save the training if the last checkpoint is a minute old, or `now`.

        A checkpoint that cannot be written does not end the training.
        """
        if not now and monotonic() - self._saved_at < SAVE_EVERY_S:
            return
        try:
            self._checkpoints.save(run.state())
        except OSError as error:
            if not self._failed:
                self._notify(f"no checkpoint can be written: {format_error(error)}")
            self._failed = True
        self._saved_at = monotonic()

    def remove(self) -> None:
        """Delete the checkpoints, when the training has ended."""
        self._checkpoints.remove()


def _number(path: Path) -> int:
    return int(path.name.partition("-")[0])


def _digest_in(path: Path) -> str:
    return path.stem.partition("-")[2]


def _digest(content: bytes | memoryview) -> str:
    return sha256(content).hexdigest()[:16]


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system lets a folder be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
