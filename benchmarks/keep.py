"""Writes what a benchmark measured to a JSON file, if the user asks for one."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from recsys_search.base.files import write_output


def add_out(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, help="folder to write the JSON file to")


def keep(folder: Path | None, name: str, document: dict[str, Any]) -> None:
    """Write FOLDER/NAME.json and print its path; without a folder, do nothing."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    write_output(path, json.dumps(document, indent=2) + "\n")
    print(f"wrote {path}")
