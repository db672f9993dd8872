"""The contents of a wheel."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_folder_of_code_is_a_package_of_the_wheel():
    """An editable install finds a folder that the list leaves out; a wheel does not."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = [
        path.parent.relative_to(ROOT)
        for path in ROOT.rglob("__init__.py")
        if not {"tests", "build", "benchmarks"} & set(path.relative_to(ROOT).parts)
        and not path.relative_to(ROOT).parts[0].startswith(".")
    ]
    assert sorted(listed) == sorted(".".join(("recsys_search", *f.parts)) for f in folders)
