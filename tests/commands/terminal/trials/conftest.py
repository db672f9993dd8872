"""A terminal of any width, and records of trials."""

from __future__ import annotations

import pytest
from recsys_search.commands.terminal import consoles
from recsys_search.commands.terminal.trials import one, table


@pytest.fixture
def terminal(monkeypatch):
    """`terminal(width)`: stdout is a terminal of that width."""

    def set_width(width):
        for module in (table, one):
            monkeypatch.setattr(module, "is_terminal", lambda: True)
        monkeypatch.setattr(consoles.out, "_width", width)
        monkeypatch.setattr(consoles.out, "_height", 24)

    return set_width


@pytest.fixture
def record():
    """Builds a trial's record."""

    def build(number=0, **values):
        return {
            "number": number,
            "state": "complete",
            "architecture": "two_tower",
            "config": {"max_epochs": 25},
            "val_rmse": 0.8242,
            "val_mse": 0.6793,
            "epochs": 25,
            "train_s": 12.1,
            "stop_reason": None,
            "reason": "ran all 25 epochs; the best was epoch 23",
            "brief": "all 25 epochs",
            "metric": "val_rmse",
            "value": 0.8242,
            "parts": {},
            **values,
        }

    return build
