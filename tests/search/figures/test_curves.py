"""Curves by epoch."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest
from recsys_search.search.figures import curves, latents, style

module = import_module(curves.__module__)  # which the function hides


def points(figure, row, ending):
    """{(trial, epoch, value)} of one ending's trace in a row."""
    axis = "x" if row == 1 else f"x{row}"
    (trace,) = (t for t in figure.data if t.name == ending and (t.xaxis or "x") == axis)
    rows = zip(trace.customdata, trace.x, trace.y, strict=True)
    return {row for row in rows if row[0] is not None}


def test_a_trials_points_are_in_the_trace_of_its_ending(study):
    figure = curves(study)
    for ending in ("complete", "median"):
        wanted = {
            (trial.number, epoch, float(f"{value:.5g}"))
            for trial in study.trials
            if trial.ending == ending
            for epoch, value in trial.curve.items()
        }
        assert wanted
        assert points(figure, 1, ending) == wanted


def test_the_rows_below_are_gap_kl_and_active_units(study):
    trial = next(each for each in study.trials if each.ending == "complete")
    figure = curves(study)
    for row, value in enumerate(
        (
            lambda report: report.val_rmse - report.train_rmse,
            lambda report: report.kl,
            lambda report: min(report.active_units.values()),
        ),
        start=2,
    ):
        wanted = {
            (trial.number, report.epoch, float(f"{value(report):.5g}")) for report in trial.reports
        }
        assert wanted <= points(figure, row, "complete")
    assert points(latents(study), 1, "complete") == points(figure, 4, "complete")


def test_a_trial_without_reports_has_only_its_metrics_curve(study, make_trial):
    one = make_trial(0, state="running", curve={1: 0.9, 2: 0.8})
    figure = curves(replace(study, trials=[one], status={**study.status, "best": None}))
    assert points(figure, 1, "running") == {(0, 1, 0.9), (0, 2, 0.8)}
    assert points(figure, 2, "running") == set()


def test_a_report_of_a_diverged_epoch_is_left_out(study):
    trial = study.trials[0]
    reports = [
        replace(report, kl=float("nan")) if report.epoch == 2 else report
        for report in trial.reports
    ]
    status = {**study.status, "best": None}
    other = replace(study, trials=[replace(trial, reports=reports)], status=status)
    assert {epoch for _, epoch, _ in points(latents(other), 2, trial.ending)} == {
        report.epoch for report in reports if report.epoch != 2
    }


@pytest.mark.parametrize("best", [0.1, 1.9])  # of a metric to minimise, to maximise
def test_a_long_curve_keeps_its_ends_and_its_best_epoch(best, study, make_trial, monkeypatch):
    monkeypatch.setattr(module, "MAX_POINTS", 10)
    curve = dict.fromkeys(range(1, 1001), 1.0) | {334: best}
    one = make_trial(0, state="running", curve=curve)
    figure = curves(replace(study, trials=[one], status={**study.status, "best": None}))
    shown = points(figure, 1, "running")
    assert {(0, 1, 1.0), (0, 334, best), (0, 1000, 1.0)} <= shown
    assert len(shown) < 10


@pytest.mark.parametrize(
    ("n", "keep", "positions"),
    [(5, [], [0, 1, 2, 3, 4]), (3, [], [0, 2, 4]), (2, [3], [0, 3, 4]), (9, [2], [0, 1, 2, 3, 4])],
)
def test_thinning_keeps_the_ends_and_what_is_named(n, keep, positions):
    assert style.thinned("abcde", n, keep=keep) == positions
