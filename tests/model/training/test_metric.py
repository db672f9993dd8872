"""The metric decides which epoch is best."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest
import torch
from pytest import approx
from recsys_search.errors import DataError
from recsys_search.model.architectures.models import build_model
from recsys_search.model.evaluation import metrics
from recsys_search.model.evaluation.metrics import METRICS, VAL_RMSE, Metric
from recsys_search.model.evaluation.ranking import full_catalogue, held_out_rated
from recsys_search.model.evaluation.weighted import find_metric
from recsys_search.model.store.train_store import TrainStore
from recsys_search.model.training import training as module
from recsys_search.model.training.training import Training

SHORT = {"two_tower": {"max_epochs": 3}, "hybrid": {"max_epochs": 2}}


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


@pytest.mark.parametrize("architecture", ["two_tower", "hybrid", "biases"])
def test_ranking_metrics_are_those_of_the_evaluated_model(split, small_config, architecture):
    """From scores before clipping, and over the whole catalogue."""
    config = small_config(architecture, **SHORT.get(architecture, {}))
    metric = find_metric("val_ndcg + val_precision + val_catalogue_ndcg + val_catalogue_precision")
    with Training(config, split, "cpu", metric=metric) as run:
        for _ in run:
            pass
    store = TrainStore.build(split.train, torch.device("cpu"))
    model = build_model(config, store)
    model.load_state_dict(run.best.weights)
    held_out = held_out_rated(
        store, split.validation, model.score(store.held_out(split.validation))
    )
    catalogue = full_catalogue(model, split.validation)
    assert run.best.report.metrics == {
        "val_ndcg": approx(held_out["ndcg"]),
        "val_precision": approx(held_out["precision"]),
        "val_catalogue_ndcg": approx(catalogue["ndcg"]),
        "val_catalogue_precision": approx(catalogue["precision"]),
        metric.name: metric.of(run.best.report),
    }


def test_a_report_has_a_weighted_sum_and_its_parts(split, small_config):
    metric = find_metric("val_rmse - 0.5 * val_ndcg")
    with Training(small_config(max_epochs=4), split, "cpu", metric=metric) as run:
        reports = list(run)
    for report in reports:
        assert metric.of(report) == report.val_rmse - 0.5 * report.metrics["val_ndcg"]
        assert set(report.metrics) == {"val_ndcg", metric.name}  # the RMSE is a field
    assert metric.of(run.best.report) == min(map(metric.of, reports))


def test_rankings_of_a_split_without_a_relevant_film_have_no_value(split, small_config):
    low = replace(split.validation, rating=np.full_like(split.validation.rating, 3.5))
    metric = METRICS["val_catalogue_ndcg"]
    with (
        Training(small_config(), replace(split, validation=low), "cpu", metric=metric) as run,
        pytest.raises(
            DataError, match=r"no user has a relevant film .* choose the metric val_rmse"
        ),
    ):
        next(iter(run))


def test_a_study_ranks_for_a_sample_of_many_users(split, small_config, monkeypatch):
    monkeypatch.setattr(metrics, "MAX_RANKED_USERS", 7)
    metric = METRICS["val_catalogue_ndcg"]
    with Training(small_config(max_epochs=1), split, "cpu", metric=metric) as run:
        [report] = run
        sampled = full_catalogue(run._model, split.validation, max_users=7)
    assert sampled["users_sampled"] == 7
    assert report.metrics == {metric.name: sampled["ndcg"]}
