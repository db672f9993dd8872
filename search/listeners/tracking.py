"""Records each trial of a study in a tracker, from a thread: a slow tracker holds no trial up."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from time import monotonic
from typing import Any

from ...base.background import Background
from ...base.messages import format_error
from ...model.config import config_to_mapping
from ...model.training.reports import EpochReport
from ..running.events import EpochEnded, Event, Listener, TrialEnded, TrialStarted
from ..trackers.table import tracker_name
from ..trackers.tracker import INTERRUPTED, RunEnd, RunStart, TrackedRun, TrackedStudy, Tracker
from .deferred import DeferredNotices

WAITING = 2000  # epochs and other events that a slow tracker may be behind
CLOSE_S = 30.0  # for what is left when the study ends
RETRY_S = 600.0  # after which the next trial is tried, if a run could not be opened
CLOSE_FAILED_S = 2.0  # instead, while no run can be opened


class Tracking:
    """A listener that passes trials on to one tracker.

    An error in the tracker becomes a warning, and the run of that trial is given up.
    """

    def __init__(self, tracker: Tracker, study: str, listener: Listener) -> None:
        """Args: listener: receives the warnings, as notices."""
        self._tracker = tracker
        self._name = tracker_name(tracker)
        self._study_name = study
        self._notices = DeferredNotices(listener)
        self._has_warned = False
        self._thread = Background(f"tracker {self._name}", WAITING)
        self._study: TrackedStudy | None = None
        self._runs: dict[int, TrackedRun] = {}
        self._retry_at = -math.inf

    def __call__(self, event: Event) -> None:
        self._notices.show()
        match event:
            case TrialStarted(number, config, label, earlier):
                values = config_to_mapping(config)
                start = RunStart(self._study_name, number, values, label, earlier)
                if earlier is not None:
                    # Its process may have been killed before it could send how the trial ended.
                    self._submit(earlier, lambda: self._end(earlier, INTERRUPTED))
                self._submit(number, lambda: self._start(start))
            case EpochEnded(number, _, report):
                self._submit(number, lambda: self._log(number, report))
            case TrialEnded(record):
                end = run_end(record)
                self._submit(record["number"], lambda: self._end(record["number"], end))

    def close(self) -> None:
        """End the runs that are still open, and wait for the tracker, half a minute at most."""
        self._thread.submit(self._end_all)
        wait_s = CLOSE_S if monotonic() >= self._retry_at else CLOSE_FAILED_S
        if not self._thread.close(wait_s):
            self._warn(f"has not recorded everything within {wait_s:.0f} s, and loses the rest")
        self._notices.show()

    def _submit(self, number: int, call: Callable[[], object]) -> None:
        def call_safely() -> None:
            try:
                call()
            except Exception as error:
                self._runs.pop(number, None)
                self._warn(f"failed at trial {number} with {format_error(error, 240)}")

        if not self._thread.submit(call_safely):
            self._warn("does not keep up, and loses epochs")

    def _warn(self, what: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            self._notices.add(
                f"tracker {self._name} {what}; trials go on, and its further errors are not shown"
            )

    def _start(self, start: RunStart) -> None:
        if monotonic() < self._retry_at:
            return
        try:
            if self._study is None:
                self._study = self._tracker.connect(self._study_name)
            self._runs[start.number] = self._study.start(start)
        except Exception:
            # A server that is away would take its timeout for each trial.
            self._retry_at = monotonic() + RETRY_S
            raise

    def _log(self, number: int, report: EpochReport) -> None:
        if run := self._runs.get(number):
            run.log(report.epoch, epoch_figures(report))

    def _end(self, number: int, end: RunEnd) -> None:
        if run := self._runs.pop(number, None):
            run.end(end)

    def _end_all(self) -> None:
        for number in list(self._runs):
            self._end(number, INTERRUPTED)


def epoch_figures(report: EpochReport) -> dict[str, float]:
    """The figures of an epoch, flat: those of a tower are named as in `active_units/user`."""
    figures: dict[str, float] = {}
    for name, value in asdict(report).items():
        if isinstance(value, Mapping):
            prefix = "" if name == "metrics" else f"{name}/"
            figures |= {f"{prefix}{part}": float(each) for part, each in value.items()}
        elif name != "epoch" and value is not None:
            figures[name] = float(value)
    return figures


def run_end(record: Mapping[str, Any]) -> RunEnd:
    """How a trial ended. Args: record: as `trials --json` prints it."""
    best = {
        "val_rmse": record["val_rmse"],
        "val_mse": record["val_mse"],
        **record["parts"],
        record["metric"]: record["value"],
    }
    figures = {f"best_{name}": value for name, value in best.items()}
    figures |= {name: record[name] for name in ("best_epoch", "epochs")}
    # Not under the names of the epochs' figures.
    figures |= {"total_train_s": record["train_s"], "n_parameters": record["params"]}
    finite = {
        name: float(value)
        for name, value in figures.items()
        if value is not None and math.isfinite(value)
    }
    return RunEnd(record["state"], record["stop_reason"], record["reason"] or "", finite)
