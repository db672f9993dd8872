"""Two trials at a time, as each tracker records them."""

from __future__ import annotations

import math

import pytest
from recsys_search.search.trackers.tracker import RunEnd, RunStart

CONFIG = {
    "architecture": "two_tower",
    "learning_rate": 0.001,
    "hidden_dims": (64, 32),
    "bias": True,
    "patience": None,
}


def start(number, **changes):
    return RunStart("small", number, CONFIG, **changes)


@pytest.fixture
def record():
    """Record trials 0 and 1 of a study in a tracker, overlapping."""

    def record(tracker):
        study = tracker.connect("small")
        first, second = study.start(start(0, label="defaults")), study.start(start(1, continues=0))
        for epoch in (1, 2):
            first.log(epoch, {"val_rmse": 1 - epoch / 10, "active_units/user": 3.0})
            second.log(epoch, {"val_rmse": math.nan})
        figures = {"best_val_rmse": 0.8, "best_epoch": 2.0}
        first.end(RunEnd("complete", "plateau", "flat for 5 epochs", figures))
        second.end(RunEnd("failed", None, "OSError: no space left", {}))

    return record
