"""Imports between the folders of `data` point in one direction."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import recsys_search.data

DATA = Path(recsys_search.data.__file__).parent
ALLOWED = {
    "ratings": set(),
    "data_folder": set(),
    "formats": {"ratings"},
    "demo": {"ratings"},
    "splits": {"ratings", "data_folder", "formats"},
    "sets": {"ratings", "data_folder", "formats", "demo", "splits"},
}


def imported_from(path: Path) -> set[str]:
    """The modules and folders of `data` that a file imports from, except its own folder."""
    level = len(path.relative_to(DATA).parts)  # of a relative import from `data`
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if hasattr(node, "level")]
    return {node.module.split(".")[0] for node in nodes if node.level == level and node.module}


@pytest.mark.parametrize("name", ALLOWED)
def test_a_folder_imports_only_from_the_folders_below_it(name):
    paths = (DATA / name).glob("*.py") if (DATA / name).is_dir() else [DATA / f"{name}.py"]
    imported = set().union(*(imported_from(path) for path in paths))
    assert imported <= ALLOWED[name] | {name}


def test_every_folder_has_a_rule():
    names = {path.stem for path in DATA.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert names - {"__init__", "__pycache__"} == set(ALLOWED)
