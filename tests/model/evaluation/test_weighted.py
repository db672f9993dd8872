"""Weighted sums of metrics, by the formula of a study file."""

from __future__ import annotations

import pytest
from pytest import approx
from recsys_search.model.evaluation.metrics import METRICS
from recsys_search.model.evaluation.weighted import find_metric, has_unit

FORMULA = "val_rmse - 0.5 * val_ndcg"


def test_a_name_is_a_metric_of_the_table():
    assert find_metric("val_ndcg") is METRICS["val_ndcg"]


@pytest.mark.parametrize(
    "text",
    [
        FORMULA,
        "val_rmse-0.5*val_ndcg",
        " 1 * val_rmse -  .5 *val_ndcg ",
        "+val_rmse - 5e-1*val_ndcg",
    ],
)
def test_every_notation_of_a_formula_gives_the_same_name(text):
    assert find_metric(text).name == FORMULA
    assert find_metric(text).weights == {"val_rmse": 1.0, "val_ndcg": -0.5}


@pytest.mark.parametrize(
    ("formula", "direction"),
    [
        (FORMULA, "minimize"),
        ("val_ndcg - 2 * val_mse", "maximize"),
        ("-val_rmse + val_ndcg", "maximize"),
        ("0.7 * val_ndcg + 0.3 * val_catalogue_ndcg", "maximize"),
        ("-val_ndcg - val_precision", "minimize"),
    ],
)
def test_the_signs_of_a_formula_decide_its_direction(formula, direction):
    metric = find_metric(formula)
    assert (metric.name, metric.direction) == (formula, direction)


def test_a_formula_records_its_parts_too():
    assert find_metric(FORMULA).recorded == ("val_rmse", "val_mse", "val_ndcg", FORMULA)
    assert METRICS["val_mse"].recorded == ("val_rmse", "val_mse")


@pytest.mark.parametrize("star", [1.0, 20.0])
def test_a_star_moves_a_sum_by_the_movements_of_its_parts(star):
    """Where the RMSE falls by a star, NDCG rises by its `per_star`: both lower the sum."""
    moved = star + 0.5 * METRICS["val_ndcg"].per_star
    metric = find_metric(FORMULA)
    assert metric.moves_per_star(star) == approx(moved)
    assert metric.level(0.3 - moved, star) == approx(metric.level(0.3, star) - 1)


def test_only_a_sum_of_metrics_with_one_unit_has_a_unit():
    assert has_unit(METRICS["val_mse"])
    assert has_unit(find_metric("val_ndcg + val_precision"))
    assert not has_unit(find_metric(FORMULA))
    assert not has_unit(find_metric("val_rmse + val_mse"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("val_ndgc", "no metric named 'val_ndgc'; choose from val_rmse, val_mse, val_ndcg"),
        ("val_rmse - 0.5 * val_ndgc", "no metric named 'val_ndgc'; choose from"),
        ("val_rmse val_ndcg", "'val_rmse val_ndcg' is no metric; choose from .* or write a"),
        ("0.5 * ", "is no metric"),
        ("", "is no metric"),
        ("val_rmse - val_rmse", "val_rmse is in 'val_rmse - val_rmse' twice; add up its weights"),
        ("0 * val_rmse - val_ndcg", "weight of val_rmse must be above 0 and finite, got 0"),
        ("1e999 * val_rmse - val_ndcg", "weight of val_rmse must be above 0 and finite, got 1e999"),
        ("1.2.3 * val_rmse - val_ndcg", "weight of val_rmse: '1.2.3' is not a number"),
        ("val_rmse + val_ndcg", "a higher value is better for one metric and worse for another"),
    ],
)
def test_a_formula_that_makes_no_sense_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        find_metric(text)
