"""The repository root, from which benchmarks run, on the path."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def repository_root(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
