"""Levels: values of a metric as stars, on any scale of ratings."""

from __future__ import annotations

import pytest
from pytest import approx
from recsys_search.model.evaluation.metrics import METRICS, Metric

RMSE, MSE = METRICS["val_rmse"], METRICS["val_mse"]
SHARE = Metric(
    name="share", label="share", direction="maximize", compute=lambda _: 0.0, per_star=0.5
)


@pytest.mark.parametrize("star", [20.0, 0.2])
def test_a_level_is_the_same_on_every_scale(star):
    """An RMSE grows with the scale, an MSE with its square, a share not at all."""
    assert RMSE.level(0.8 * star, star) == approx(RMSE.level(0.8))
    assert MSE.level(0.64 * star**2, star) == approx(MSE.level(0.64))
    assert SHARE.level(0.7, star) == SHARE.level(0.7) == -1.4


@pytest.mark.parametrize("metric", [RMSE, MSE, SHARE], ids=lambda metric: metric.name)
def test_the_value_of_a_level_is_the_value_again(metric):
    assert metric.value_of(metric.level(0.7, 20.0), 20.0) == approx(0.7)


def test_on_stars_a_level_of_the_rmse_is_its_value():
    assert RMSE.level(0.8123456789) == 0.8123456789
    assert MSE.level(0.64) == 0.64 / 1.7


def test_a_metric_that_names_no_unit_has_the_same_values_on_every_scale():
    assert SHARE.unit_power == 0
    assert SHARE.in_ratings(0.7, 20.0) == 0.7


def test_small_values_are_shown_with_as_many_digits_that_count():
    """At 0.2 per star, 0.001 stars are 0.0002 of an RMSE, and less than 0.0001 of an MSE."""
    assert RMSE.format(0.16) == "0.1600"
    assert [RMSE.format(0.16, 0.2), MSE.format(0.0256, 0.2)] == ["0.16000", "0.025600"]
    assert [RMSE.format(16, 20.0), SHARE.format(0.7, 0.2)] == ["16.0000", "0.7000"]
