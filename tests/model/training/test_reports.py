"""Epoch reports, in memory and on disk."""

from __future__ import annotations

from dataclasses import fields, replace
from math import inf, isnan, nan

import pytest
from recsys_search.model.evaluation.metrics import Metric
from recsys_search.model.training.reports import (
    MEASURED,
    EpochReport,
    best_report,
    read_reports,
    rmse,
    write_reports,
)


def report(epoch, val_rmse=1.0, **values):
    numbers = {field.name: 0.1 for field in fields(EpochReport)}
    numbers |= {
        name: {"user": 3, "film": 4} for name in ("active_units", "eval_kl", "shuffle_cost")
    }
    numbers |= {"gpu_utilisation": None, "gpu_memory_share": None, "metrics": {}}
    return EpochReport(**{**numbers, "epoch": epoch, "val_rmse": val_rmse, **values})


def test_reports_are_read_as_they_were_written(tmp_path):
    reports = [report(1, 0.9 + 1e-16), report(2, 0.1 + 0.2, gpu_utilisation=97)]
    write_reports(tmp_path / "reports.jsonl", reports)
    assert read_reports(tmp_path / "reports.jsonl") == reports


def test_values_that_are_not_finite_are_read_as_nan(tmp_path):
    sick = report(1, nan, train_loss=inf, eval_kl={"user": nan, "film": 2.0})
    write_reports(tmp_path / "reports.jsonl", [sick])
    text = (tmp_path / "reports.jsonl").read_text()
    assert "NaN" not in text and "Infinity" not in text  # neither is JSON
    [read] = read_reports(tmp_path / "reports.jsonl")
    assert isnan(read.val_rmse) and isnan(read.train_loss)
    assert read.gpu_utilisation is None
    assert isnan(read.eval_kl["user"])
    repaired = replace(read, val_rmse=1.0, train_loss=0.1, eval_kl={"user": 3, "film": 4})
    assert repaired == report(1)


def test_metrics_are_read_as_they_were_written(tmp_path):
    write_reports(tmp_path / "reports.jsonl", [report(1, metrics={"close": 0.3, "far": nan})])
    [read] = read_reports(tmp_path / "reports.jsonl")
    assert (read.metric("close"), read.metric("val_rmse")) == (0.3, 1.0)
    assert isnan(read.metric("far"))


def test_reports_of_an_earlier_version_have_no_metrics(tmp_path):
    path = tmp_path / "reports.jsonl"
    write_reports(path, [report(1)])
    path.write_text(path.read_text().replace(', "metrics": {}', ""))
    assert "metrics" not in path.read_text()
    assert read_reports(path) == [report(1)]


def test_unknown_fields_of_a_later_version_are_ignored(tmp_path):
    path = tmp_path / "reports.jsonl"
    write_reports(path, [report(1)])
    path.write_text(path.read_text().replace('{"epoch"', '{"mood": "good", "epoch"'))
    assert read_reports(path) == [report(1)]


def test_the_best_report_is_the_first_of_the_lowest_finite_rmse():
    reports = [report(1, nan), report(2, 0.9), report(3, 0.8), report(4, 0.8), report(5, -inf)]
    assert best_report(reports).epoch == 3


def test_the_best_report_by_a_maximised_metric_is_the_first_of_the_highest_finite_value():
    close = Metric(name="close", label="close", direction="maximize", compute=lambda _: 0.0)
    values = [nan, 0.2, 0.3, 0.3, inf, 0.1]
    reports = [report(n, metrics={"close": value}) for n, value in enumerate(values, start=1)]
    assert best_report(reports, close).epoch == 3


@pytest.mark.parametrize("reports", [[], [report(1, nan), report(2, inf)]])
def test_without_a_finite_rmse_there_is_no_best_report(reports):
    assert best_report(reports) is None


@pytest.mark.parametrize(
    ("values", "finite"),
    [
        ({}, True),
        ({"train_loss": nan}, False),
        ({"val_rmse": inf}, False),
        ({"kl": nan}, True),
        ({"metrics": {"m": nan}}, True),
    ],
)
def test_a_report_is_finite_by_its_loss_and_rmse(values, finite):
    assert report(1, **values).finite is finite


def test_the_root_of_nan_is_nan():
    assert rmse(4.0) == 2.0
    assert isnan(rmse(nan))


def test_measured_fields_are_fields():
    assert {field.name for field in fields(EpochReport)} >= MEASURED
