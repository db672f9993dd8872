"""A running study without a terminal: lines in a log."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from recsys_search.commands.terminal import live as module
from recsys_search.commands.terminal.live import StudyView
from recsys_search.model.evaluation.metrics import VAL_RMSE
from recsys_search.search.running.events import EpochEnded, TrialStarted


@pytest.fixture
def clock(monkeypatch):
    """The clock in seconds, which a test moves by hand."""
    clock = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    return clock


def epoch(number):
    config = SimpleNamespace(max_epochs=25, architecture="mf")
    report = SimpleNamespace(epoch=number, epoch_s=20.0, metric=lambda name: 0.9)
    return EpochEnded(3, config, report, VAL_RMSE)


def test_a_long_trial_shows_an_epoch_every_half_minute(capsys, clock):
    view = StudyView(None)
    view(TrialStarted(3, SimpleNamespace(architecture="mf")))
    for number in range(1, 6):
        clock[0] += 20
        view(epoch(number))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "trial 3: mf",
        "trial 3: mf  epoch 2/25  val_rmse 0.9000  20.0 s/epoch",
        "trial 3: mf  epoch 4/25  val_rmse 0.9000  20.0 s/epoch",
    ]
