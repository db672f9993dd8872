"""The metric decides which epoch is best."""

from __future__ import annotations

from math import isnan, nan

import pytest
from recsys_search.model.evaluation.metrics import METRICS, VAL_RMSE, Metric
from recsys_search.model.training import training as module
from recsys_search.model.training.training import Training


# A metric from outside of the package is one function ...
def val_close(predictions):
    """Share of the ratings that are predicted within half a star."""
    return float(((predictions.predicted - predictions.rating).abs() <= 0.5).double().mean())


@pytest.fixture
def close(monkeypatch):
    # ... and one line.
    monkeypatch.setitem(
        METRICS,
        "val_close",
        Metric(name="val_close", label="close", direction="maximize", compute=val_close),
    )
    return METRICS["val_close"]


def test_the_best_epoch_has_the_highest_value_of_a_maximised_metric(split, small_config, close):
    with Training(small_config(max_epochs=5, patience=5), split, "cpu", metric=close) as run:
        values = [report.metrics["val_close"] for report in run]
    assert all(0 < value < 1 for value in values)
    assert close.of(run.best.report) == max(values)
    assert run.best.report.epoch == values.index(max(values)) + 1


def test_patience_counts_epochs_without_a_better_value_of_the_metric(split, small_config):
    falling = iter([0.9, 0.8, 0.7, 0.6])
    metric = Metric(
        name="val_falling",
        label="falling",
        direction="maximize",
        compute=lambda predictions: next(falling),
    )
    with Training(small_config(max_epochs=9, patience=2), split, "cpu", metric=metric) as run:
        assert len(list(run)) == 3
    assert run.best.report.epoch == 1


def test_a_metric_that_is_not_finite_is_never_the_best(split, small_config):
    metric = Metric(name="val_nan", label="nan", direction="minimize", compute=lambda _: nan)
    with Training(small_config(max_epochs=1), split, "cpu", metric=metric) as run:
        [report] = run
    assert isnan(report.metrics["val_nan"])
    assert run.best is None


@pytest.mark.parametrize("name", ["val_rmse", "val_mse"])
def test_metrics_that_every_report_has_keep_no_predictions(split, small_config, monkeypatch, name):
    kept = []

    def evaluate(*args, keep_predictions):
        kept.append(keep_predictions)
        return original(*args, keep_predictions=keep_predictions)

    original = module.evaluate
    monkeypatch.setattr(
        module,
        "evaluate",
        lambda *args, keep_predictions=False: evaluate(*args, keep_predictions=keep_predictions),
    )
    with Training(small_config(max_epochs=1), split, "cpu", metric=METRICS[name]) as run:
        [report] = run
    assert not any(kept)
    assert report.metrics == {}
    assert METRICS[name].of(report) == getattr(report, name)


def test_a_level_is_in_stars_and_lower_is_better(close):
    assert VAL_RMSE.level(0.8) == 0.8
    mse = METRICS["val_mse"]
    assert mse.value_of(mse.level(0.64)) == pytest.approx(0.64)
    assert close.level(0.9) < close.level(0.8)
    assert close.is_better(0.9, 0.8)
    assert close.best([0.1, nan, 0.3]) == 0.3
    assert close.best([nan]) is None
    assert (VAL_RMSE.better_side, close.better_side) == ("below", "above")
