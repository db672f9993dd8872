"""A study with trials to choose from."""

from __future__ import annotations

import pytest

KNOWN = [
    {"name": "good", "learning_rate": 1e-2},
    {"name": "fair", "learning_rate": 8e-3},
    {"name": "poor", "learning_rate": 1e-4},
]


@pytest.fixture
def searched(workplace):
    """A study of three trials of decreasing merit."""
    workplace.start(workplace.write_study(known=KNOWN, trials=3))
    return workplace
