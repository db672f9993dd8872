"""The rooms of docs/architecture.md: imports point down, and no room becomes a hall."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import recsys_search

ROOT = Path(recsys_search.__file__).parent

# Each room with the rooms that it may import from; a room includes the folders below it.
ALLOWED = {
    "errors": (),
    "base": ("errors",),
    "data/ratings": ("base", "errors"),
    "data/data_folder": (),
    "data/tables": ("data/ratings", "base", "errors"),
    "data/formats": ("data/tables", "data/ratings", "base", "errors"),
    "data/demo": ("data/ratings", "base", "errors"),
    "data/splits": ("data/ratings", "data/data_folder", "data/tables", "base", "errors"),
    "data/sets": ("data", "base", "errors"),
    "model/config": ("base", "errors"),
    "model/store": ("data", "base", "errors"),
    "model/components": ("model/store", "data", "base", "errors"),
    "model/architectures": ("model/components", "model/store", "model/config", "base", "errors"),
    "model/evaluation": ("model/components", "model/store", "data", "base", "errors"),
    "model/training": (
        "model/architectures",
        "model/evaluation",
        "model/components",
        "model/store",
        "model/config",
        "data",
        "base",
        "errors",
    ),
    "model/runs": ("model", "data", "base", "errors"),
    "model/ensembles": ("model", "data", "base", "errors"),
    "search/pruners": ("model", "base", "errors"),
    "search/notifications": ("base", "errors"),
    "search/trackers": ("base", "errors"),
    "search/definition": (
        "search/notifications",
        "search/pruners",
        "search/trackers",
        "model",
        "data",
        "base",
        "errors",
    ),
    "search/presets": ("search/definition", "search/pruners", "model", "data", "base", "errors"),
    "search/storage": ("model", "base", "errors"),
    "search/sharing": ("search/storage", "model", "base", "errors"),
    "search/running": (
        "search/presets",
        "search/definition",
        "search/pruners",
        "search/sharing",
        "search/storage",
        "model",
        "data",
        "base",
        "errors",
    ),
    "search/listeners": (
        "search/results",
        "search/running",
        "search/definition",
        "search/notifications",
        "search/trackers",
        "model",
        "base",
        "errors",
    ),
    "search/prospects": (
        "search/running",
        "search/definition",
        "search/pruners",
        "search/storage",
        "model",
        "base",
        "errors",
    ),
    "search/samplers": (
        "search/prospects",
        "search/running",
        "search/definition",
        "search/pruners",
        "search/storage",
        "model",
        "base",
        "errors",
    ),
    "search/launch": (
        "search/listeners",
        "search/sharing",
        "search/workers",
        "search/samplers",
        "search/prospects",
        "search/presets",
        "search/running",
        "search/definition",
        "search/storage",
        "model",
        "data",
        "base",
        "errors",
    ),
    "search/workers": (
        "search/dashboard",
        "search/sharing",
        "search/presets",
        "search/listeners",
        "search/prospects",
        "search/running",
        "search/samplers",
        "search/definition",
        "search/pruners",
        "search/storage",
        "model",
        "data",
        "base",
        "errors",
    ),
    "search/results": (
        "search/prospects",
        "search/running",
        "search/samplers",
        "search/definition",
        "search/storage",
        "model",
        "data",
        "base",
        "errors",
    ),
    "search/figures": (
        "search/results",
        "search/prospects",
        "search/definition",
        "model",
        "base",
        "errors",
    ),
    "search/report": (
        "search/figures",
        "search/results",
        "search/prospects",
        "search/running",
        "search/definition",
        "search/storage",
        "model",
        "data",
        "base",
        "errors",
    ),
    "search/dashboard": (
        "search/figures",
        "search/results",
        "search/definition",
        "search/storage",
        "model",
        "base",
        "errors",
    ),
    "search/doctor": ("search/sharing", "search/storage", "model", "data", "base", "errors"),
    "commands": ("search", "model", "data", "base", "errors"),
    "cli": ("commands", "base", "errors"),
}
HOME_OF = {"optuna": "search", "optuna_dashboard": "search", "torch": "model", "typer": "commands"}
MAX_FILES, MAX_LINES = 14, 300


FOLDERS = ("base", "data", "model", "search", "commands")


def code_files():
    """The package's files, as paths relative to its root."""
    files = [
        *ROOT.glob("*.py"),
        *(path for name in FOLDERS for path in (ROOT / name).rglob("*.py")),
    ]
    return [path.relative_to(ROOT) for path in files]


def imports_of(path):
    """(names of packages, paths of this package's modules) that a file imports from."""
    packages, modules = set(), set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1]
            modules |= {
                folder.joinpath(*(node.module or alias.name).split(".")).as_posix()
                for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            packages.add(node.module.split(".")[0])
    return packages, modules


def is_in(module, room):
    return module == room or module.startswith(f"{room}/")


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_from_the_rooms_below_it(room):
    files = [path for path in code_files() if is_in(path.with_suffix("").as_posix(), room)]
    assert files
    for path in files:
        for module in imports_of(path)[1]:
            assert any(is_in(module, below) for below in (room, *ALLOWED[room])), (path, module)


def test_every_file_of_code_is_in_a_room():
    assert len(code_files()) > 100
    for path in code_files():
        module = path.with_suffix("").as_posix()
        if path.name != "__init__.py":
            assert any(is_in(module, room) for room in ALLOWED), path


@pytest.mark.parametrize("package", HOME_OF)
def test_a_framework_has_one_home(package):
    users = {path.parts[0] for path in code_files() if package in imports_of(path)[0]}
    assert users <= {HOME_OF[package], "cli.py"}, users


def test_no_folder_and_no_module_grows_too_large():
    folders = {}
    for path in code_files():
        folders.setdefault(path.parent, []).append(path)
        assert len((ROOT / path).read_text().splitlines()) <= MAX_LINES, path
    for folder, files in folders.items():
        assert len(files) <= MAX_FILES, folder
