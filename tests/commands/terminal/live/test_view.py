"""A running study without a terminal: lines in a log."""

from __future__ import annotations

import pytest
from recsys_search.commands.terminal.live import view as module
from recsys_search.commands.terminal.live.view import StudyView
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.evaluation.metrics import VAL_RMSE
from recsys_search.search.running.events import EpochEnded, TrialEnded, TrialStarted

CONFIG = build_config("mf", max_epochs=25)


@pytest.fixture
def clock(monkeypatch):
    """The clock in seconds, which a test moves by hand."""
    clock = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    return clock


def test_a_long_trial_shows_an_epoch_every_half_minute(capsys, clock, report):
    view = StudyView(None)
    view(TrialStarted(3, CONFIG))
    for number in range(1, 6):
        clock[0] += 20
        view(EpochEnded(3, CONFIG, report(number, 0.9, epoch_s=20.0), VAL_RMSE))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "trial 3: mf",
        "trial 3: mf  epoch 2/25  val_rmse 0.9000  20.0 s/epoch",
        "trial 3: mf  epoch 4/25  val_rmse 0.9000  20.0 s/epoch",
    ]


def test_an_ending_is_a_line_with_the_whole_sentence(capsys):
    record = {
        **{"number": 3, "state": "pruned", "value": 0.92, "metric": "val_rmse"},
        **{"stop_reason": "plateau", "reason": "it is flat", "brief": "plateau at 0.9238"},
    }
    StudyView(None)(TrialEnded(record, None, VAL_RMSE))
    assert capsys.readouterr().err == "trial 3 pruned 0.9200  plateau: it is flat\n"


def test_a_quiet_view_prints_nothing(capsys):
    StudyView(None, quiet=True)(TrialStarted(3, CONFIG))
    assert capsys.readouterr().err == ""
