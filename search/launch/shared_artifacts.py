"""The artifacts of a storage, which every node of a cluster has to see."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import uuid4

from ...base.folders import LocalFolder
from ...base.messages import format_error
from ...errors import StorageError
from ..storage.artifacts import open_artifacts
from ..storage.examples import ARTIFACTS_VARIABLE


@dataclass(frozen=True)
class SharedArtifacts:
    """Where all nodes find the artifacts and checkpoints.

    Attributes:
        place: an absolute path, or a URL.
        marker: name of a file in it, which shows a node that its folder is the shared one.
    """

    place: str
    marker: str

    def use(self, url: str) -> None:
        """Let this process, on any node, keep the artifacts of the storage there.

        Raises:
            StorageError: this node has another folder at the path, or cannot read the shared one.
        """
        os.environ[ARTIFACTS_VARIABLE] = self.place
        folder = open_artifacts(url)
        try:
            folder.read(self.marker)
        except FileNotFoundError:
            raise StorageError(
                f"{folder} is not the folder that the other nodes share; mount that one here, or "
                "name a URL with --artifacts"
            ) from None
        except OSError as error:
            raise StorageError(
                f"{folder} cannot be read: {format_error(error)}; allow this node to read and "
                "write it"
            ) from None


@contextmanager
def mark_artifacts(url: str) -> Iterator[SharedArtifacts]:
    """The artifacts of a storage, with the marker in them within the block."""
    folder = open_artifacts(url)
    place = os.environ.get(ARTIFACTS_VARIABLE, "")
    if isinstance(folder, LocalFolder):
        place = str(folder.path.absolute())
    artifacts = SharedArtifacts(place, f".cluster-{uuid4().hex}")
    folder.write(artifacts.marker, b"")
    try:
        yield artifacts
    finally:
        # An empty file that stays is harmless; an error here would hide how the study ended.
        with suppress(OSError):
            folder.remove(artifacts.marker)
