"""Keeps what a benchmark measured as a JSON file, where its user asks for one."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any


def add_out(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, help="a folder for the JSON")


def keep(folder: Path | None, name: str, document: dict[str, Any]) -> None:
    """Writes FOLDER/NAME.json, and says so; nothing without a folder."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    print(f"wrote {path}")
