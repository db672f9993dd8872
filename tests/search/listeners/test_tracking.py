"""How trials reach a tracker; one that fails or hangs disturbs none of them."""

from __future__ import annotations

import threading
from typing import ClassVar

import pytest
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.evaluation.metrics import VAL_RMSE
from recsys_search.model.training.reports import EpochReport
from recsys_search.search.listeners import tracking
from recsys_search.search.listeners.tracking import Tracking, epoch_figures
from recsys_search.search.running.events import EpochEnded, Notice, TrialEnded, TrialStarted
from recsys_search.search.trackers.table import TRACKERS
from recsys_search.search.trackers.tracker import TrackedRun, TrackedStudy, Tracker

CONFIG = build_config("mf", max_epochs=5)
MEASURED = (
    *("train_loss", "train_mse", "train_rmse", "val_loss", "val_mse", "kl", "kl_clamped", "beta"),
    *("learning_rate", "grad_norm", "ratings_per_s", "train_s", "epoch_s", "peak_memory_mib"),
)
FIGURES = dict.fromkeys(MEASURED, 0.5)


class Run(TrackedRun):
    def __init__(self, calls, number, fails):
        self._calls, self._number, self._fails = calls, number, fails

    def log(self, epoch, figures):
        if self._fails:
            raise OSError("no space left")
        self._calls.append(("log", self._number, epoch, figures["val_rmse"]))

    def end(self, end):
        self._calls.append(("end", self._number, end.state, end.stop_reason, dict(end.figures)))


class Recording(Tracker):
    """Keeps the calls. Trial 1 cannot be opened, and what trial 2 logs fails."""

    package: ClassVar[str] = "json"
    extra: ClassVar[str] = "recording"
    calls: ClassVar[list] = []

    def connect(self, study):
        calls = self.calls

        class Study(TrackedStudy):
            def start(self, start):
                if start.number == 1:
                    raise ConnectionError("refused")
                calls.append(("start", start.name, start.continues))
                return Run(calls, start.number, start.number == 2)

        return Study()


@pytest.fixture
def notices():
    return []


@pytest.fixture
def track(monkeypatch, notices):
    """`track(events...)`: send them to a tracker, and return its calls."""
    monkeypatch.setitem(TRACKERS, "recording", Recording)
    monkeypatch.setattr(Recording, "calls", [])

    def track(*events):
        listener = Tracking(Recording(), "small", notices.append)
        for event in events:
            listener(event)
        listener.close()
        return Recording.calls

    return track


def started(number, earlier=None):
    return TrialStarted(number, CONFIG, None, earlier)


def epoch(number, n, val_rmse=0.9):
    report = EpochReport(
        epoch=n,
        val_rmse=val_rmse,
        active_units={"user": 3, "film": 4},
        eval_kl={},
        shuffle_cost={},
        metrics={"val_ndcg": 0.7},
        **FIGURES,
    )
    return EpochEnded(number, CONFIG, report, VAL_RMSE)


def ended(number, state="complete", **changes):
    record = {
        "number": number,
        "state": state,
        "stop_reason": None,
        "reason": "ran all 5 epochs",
        "val_rmse": 0.9,
        "val_mse": 0.81,
        "metric": "val_rmse",
        "value": 0.9,
        "parts": {},
        "epochs": 5,
        "best_epoch": 4,
        "train_s": 1.5,
        "params": None,
    }
    return TrialEnded({**record, **changes}, None, VAL_RMSE)


def test_each_trial_is_a_run_with_its_epochs_and_its_end(track):
    assert track(started(0), epoch(0, 1, 0.95), epoch(0, 2), ended(0, stop_reason="plateau")) == [
        ("start", "small/0", None),
        ("log", 0, 1, 0.95),
        ("log", 0, 2, 0.9),
        (
            *("end", 0, "complete", "plateau"),
            {
                "best_val_rmse": 0.9,
                "best_val_mse": 0.81,
                "best_epoch": 4,
                "epochs": 5,
                "total_train_s": 1.5,
            },
        ),
    ]


def test_a_trial_that_goes_on_ends_the_run_of_the_killed_one_and_names_it(track):
    assert track(started(0), epoch(0, 1), started(3, earlier=0)) == [
        ("start", "small/0", None),
        ("log", 0, 1, 0.9),
        ("end", 0, "interrupted", "interrupted", {}),
        ("start", "small/3", 0),
        ("end", 3, "interrupted", "interrupted", {}),  # when the listener is closed
    ]


def test_a_run_that_fails_is_given_up_with_one_warning(track, notices):
    calls = track(started(2), started(0), epoch(2, 1), epoch(2, 2), epoch(0, 1), ended(2), ended(0))
    assert [call[:2] for call in calls] == [
        ("start", "small/2"),
        ("start", "small/0"),
        ("log", 0),
        ("end", 0),
    ]
    assert notices == [
        Notice(
            "tracker recording failed at trial 2 with OSError: no space left; trials go on, and "
            "its further errors are not shown"
        )
    ]


def test_after_a_run_that_cannot_be_opened_the_next_trials_wait_for_no_server(track, notices):
    assert track(started(1), epoch(1, 1), ended(1), started(0), ended(0)) == []
    [notice] = notices
    assert "failed at trial 1 with ConnectionError: refused" in notice.message


def test_after_a_while_a_tracker_is_tried_again(track, monkeypatch):
    monkeypatch.setattr(tracking, "RETRY_S", 0.0)
    calls = track(started(1), ended(1), started(0), ended(0))
    assert [call[:2] for call in calls] == [("start", "small/0"), ("end", 0)]


def test_a_tracker_that_hangs_holds_up_neither_trials_nor_the_end(track, notices, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(Recording, "connect", lambda *_: release.wait(10))
    monkeypatch.setattr(tracking, "CLOSE_S", 0.1)
    monkeypatch.setattr(tracking, "WAITING", 3)
    assert track(started(0), *(epoch(0, n) for n in range(1, 9)), ended(0)) == []
    [notice] = notices
    assert "does not keep up, and loses epochs" in notice.message
    release.set()


def test_figures_of_towers_and_metrics_are_flat():
    figures = epoch_figures(epoch(0, 1).report)
    assert figures["active_units/user"] == 3
    assert figures["val_ndcg"] == 0.7
    assert "epoch" not in figures
    assert "gpu_utilisation" not in figures  # None without a GPU
    assert all(isinstance(value, float) for value in figures.values())
