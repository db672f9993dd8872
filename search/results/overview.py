"""The studies of a storage at a glance."""

from __future__ import annotations

from typing import Any

from ...errors import ConfigError
from ..storage.database import readable_storage
from ..storage.studies import read_stored_specs
from .reader import StudyReader


def list_studies(storage_url: str) -> list[dict[str, Any]]:
    """The studies of a storage, as `studies --json` prints them."""
    rows = []
    for name in read_stored_specs(readable_storage(storage_url)):
        try:
            status = StudyReader(storage_url, name).progress()
        except ConfigError:
            unknown = dict.fromkeys(("dataset", "trials", "total", "best"))
            rows.append({"study": name, **unknown, "state": "of another version"})
            continue
        rows.append(
            {
                "study": name,
                "dataset": status["dataset"],
                "trials": status["done"],
                "total": status["total"],
                "best": status["best"] and status["best"][status["metric"]],
                "state": status["state"],
            }
        )
    return rows
