"""A training's state in a folder, written so that a crash at any moment leaves a complete one.

FOLDER/00000012-3f0c9a5be1d2c3a4.pt    number, and the first 16 hex digits of the file's SHA-256
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import Tensor

from ...base.folders import PARTIAL, Folder, LocalFolder
from ...base.messages import format_error
from .training import Training

SAVE_EVERY_S = 60  # at an epoch's end; less than that is cheap to train again
KEPT = 2  # if the newest is damaged, training goes on from the one before
_NAME = re.compile(r"([0-9]{8,})-([0-9a-f]{16})\.pt")


class Checkpoints:
    """The checkpoints of one training, in a folder of their own."""

    def __init__(self, folder: Folder | Path) -> None:
        self.folder = LocalFolder(folder) if isinstance(folder, Path) else folder

    def save(self, state: Mapping[str, Any], *, kept: int = KEPT) -> None:
        """Write a checkpoint to last, and remove all but the newest.

        Args:
            state: plain values and tensors, as `Training.state` returns it.
            kept: how many are left, with this one.

        Raises:
            OSError: it cannot be written; earlier checkpoints are still there.
        """
        buffer = BytesIO()
        torch.save(_sharing(state), buffer)
        content = buffer.getbuffer()
        earlier = self._names()
        number = 1 + (_number(earlier[0]) if earlier else 0)
        self.folder.write(f"{number:08}-{_digest(content)}.pt", content)
        for name in earlier[kept - 1 :]:
            self.folder.remove(name)

    def load(self) -> dict[str, Any] | None:
        """The newest checkpoint that is not damaged; None without one."""
        for name in self._names():
            try:
                content = self.folder.read(name)
                if _digest(content) == _digest_in(name):
                    state: dict[str, Any] = torch.load(
                        BytesIO(content), map_location="cpu", weights_only=True
                    )
                    return state
            except Exception:  # unreadable, or of another version of torch
                continue
        return None

    def remove(self) -> None:
        """Delete the folder."""
        self.folder.delete()

    def _names(self) -> list[str]:
        """The checkpoints, newest first; also removes what a killed process left half written."""
        names = self.folder.files()
        for name in names:
            if name.startswith(PARTIAL):
                self.folder.remove(name)
        return sorted(filter(_NAME.fullmatch, names), key=_number, reverse=True)


class ResumableTraining:
    """Saves one training to a folder, and goes on from there."""

    def __init__(self, folder: Folder | Path, notify: Callable[[str], None]) -> None:
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
        try:
            state = self._checkpoints.load()
        except OSError as error:
            self._notify(f"no checkpoint can be read: {format_error(error)}")
            return False
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
        if now or monotonic() - self._saved_at >= SAVE_EVERY_S:
            self._save(run, KEPT)

    def save_last(self, run: Training) -> None:
        """Save the training as it is, and remove its earlier checkpoints: it goes on much later.

        A checkpoint that cannot be written leaves the earlier ones.
        """
        self._save(run, 1)

    def remove(self) -> None:
        """Delete the checkpoints, when the training has ended."""
        self._checkpoints.remove()

    def _save(self, run: Training, kept: int) -> None:
        try:
            self._checkpoints.save(run.state(), kept=kept)
        except OSError as error:
            if not self._failed:
                self._notify(f"no checkpoint can be written: {format_error(error)}")
            self._failed = True
        self._saved_at = monotonic()


def _sharing(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state with weights that are those of the best epoch once: torch stores a tensor once."""
    best = (state.get("best") or {}).get("weights", {})
    weights = state.get("weights", {})
    equal = {name: best[name] for name in best.keys() & weights if _same(best[name], weights[name])}
    return {**state, "weights": {**weights, **equal}} if equal else dict(state)


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of a kind are the same to the bit, also where they are NaN or -0."""
    return torch.equal(one.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8))


def _number(name: str) -> int:
    return int(name.partition("-")[0])


def _digest_in(name: str) -> str:
    return name.removesuffix(".pt").partition("-")[2]


def _digest(content: bytes | memoryview) -> str:
    return sha256(content).hexdigest()[:16]
