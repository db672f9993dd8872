"""Ranges and levels that figures share."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import plotly.graph_objects as go
import pytest
from recsys_search.model.evaluation.metrics import METRICS
from recsys_search.search.figures import kl_weight
from recsys_search.search.figures.style import by_ending, draw_levels, metric_range


def test_a_range_goes_from_the_best_value_to_the_worst(study):
    # The margin is 6% of 0.8 to 0.9.
    assert metric_range(study, [0.9, 0.85, 0.8]) == pytest.approx([0.794, 0.906])


def test_an_outlier_is_cut_off(study):
    # Three quarters are at 0.9 or better; as far again is 1.0.
    low, high = metric_range(study, [0.8, 0.82, 0.84, 0.86, 0.88, 0.9, 5.0])
    assert low == pytest.approx(0.8 - 0.06 * 0.2)
    assert high == pytest.approx(1.0 + 0.06 * 0.2)


def test_one_value_has_room_around_it(study):
    assert metric_range(study, [0.8]) == pytest.approx([0.79, 0.81])


def test_without_a_finite_value_there_is_no_range(study):
    assert metric_range(study, [nan, inf]) is None
    assert metric_range(study, []) is None


def test_of_a_maximised_metric_low_values_are_cut_off(study):
    ranked = replace(study, metric=METRICS["val_ndcg"])
    low, high = metric_range(ranked, [0.6, 0.58, 0.55, 0.5, 0.01])
    assert high == pytest.approx(0.6 + 0.06 * 0.2)
    assert low == pytest.approx(0.4 - 0.06 * 0.2)


def test_endings_have_a_fixed_order(make_trial):
    reasons = ["other", "diverged", "plateau"]
    trials = [make_trial(at, state="pruned", stop_reason=each) for at, each in enumerate(reasons)]
    assert list(by_ending([*trials, make_trial(9, state="complete")])) == [
        *("complete", "plateau", "diverged", "other")
    ]


def test_levels_are_the_biases_and_a_target_as_rmse(study):
    target = {"metric": "val_mse", "value": 0.64}
    status = {**study.status, "bias_val_rmse": 0.9, "target": target}
    figure = go.Figure()
    draw_levels(figure, replace(study, status=status))
    assert [shape.y0 for shape in figure.layout.shapes] == pytest.approx([0.9, 0.8])
    texts = [each.text for each in figure.layout.annotations]
    assert texts == ["biases 0.9000", "target 0.8000"]


def test_collapsed_trials_are_marked_at_their_kl_weight(study, make_trial):
    trials = [
        make_trial(0, state="complete", config={"kl_weight": 1e-3}, value=0.8),
        make_trial(1, state="pruned", stop_reason="collapse", config={"kl_weight": 0.1}, value=1.0),
        make_trial(2, state="complete", config={}, value=0.7),
    ]
    figure = kl_weight(replace(study, trials=trials))
    complete, collapsed = figure.data
    assert (complete.name, complete.x, complete.y) == ("complete", (1e-3,), (0.8,))
    assert (collapsed.name, collapsed.x, collapsed.y) == ("collapsed", (0.1,), (1.0,))
    assert collapsed.marker.size > complete.marker.size
    assert figure.layout.xaxis.type == "log"


def test_a_kl_weight_of_0_has_a_linear_axis(study, make_trial):
    trials = [make_trial(0, config={"kl_weight": 0.0})]
    assert kl_weight(replace(study, trials=trials)).layout.xaxis.type == "linear"
