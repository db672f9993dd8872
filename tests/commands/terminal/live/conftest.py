"""Epoch reports, and the state of a study that is running."""

from __future__ import annotations

import pytest
from recsys_search.model.training.reports import FIELDS, EpochReport
from recsys_search.search.definition.study_file import load_study
from recsys_search.search.running.study_progress import Pace, StudyProgress
from recsys_search.search.running.study_state import RunningTrial, StudyState

PACE = Pace(epochs=10.0, epoch_s=2.0, saved=0.38)


@pytest.fixture
def report():
    """Builds an epoch's report."""

    def build(epoch, val_rmse, **values):
        figures = dict.fromkeys(FIELDS - {"metrics", "gpu_utilisation", "gpu_memory_share"}, 1.0)
        towers = {name: {} for name in ("active_units", "eval_kl", "shuffle_cost")}
        values = {"epoch": epoch, "val_rmse": val_rmse, **values}
        return EpochReport(**{**figures, **towers, **values})

    return build


@pytest.fixture
def running():
    """Builds a running trial whose curve has some epochs."""

    def build(number, n_epochs=5, **values):
        figures = {"epoch_s": 0.5, "ratings_per_s": 2e5, **values.pop("figures", {})}
        return RunningTrial(
            number=number,
            architecture="two_tower",
            max_epochs=25,
            curve={epoch: 1 - epoch / 100 for epoch in range(1, n_epochs + 1)},
            figures=figures if n_epochs else {},
            **values,
        )

    return build


@pytest.fixture
def record():
    """Builds the record of a trial that has ended."""

    def build(number, state="pruned", brief="plateau at 0.9238"):
        value = {"value": 0.9238, "metric": "val_rmse"}
        why = {"stop_reason": None, "reason": "flat"}
        return {"number": number, "state": state, "brief": brief, **why, **value}

    return build


@pytest.fixture
def state(running, record):
    """Builds the state of the study demo after 5 of its 12 trials."""

    def build(n_running=2, *, done=5, pace=PACE, **changes):
        best = {**record(3, "complete"), "value": 0.8131}
        trials = {number: running(number) for number in range(6, 6 + n_running)}
        progress = StudyProgress(
            **{"done": done, "best": best, "bias_val_rmse": 0.8971, "pace": pace},
            running=frozenset(trials),
        )
        values = {
            "spec": load_study("demo"),
            "progress": progress,
            "running": trials,
            "ended": tuple(record(number) for number in range(1, 6)),
            "workers": n_running,
        }
        return StudyState(**{**values, **changes})

    return build
