"""Curves as a few characters."""

from __future__ import annotations

from math import inf, nan

import pytest
from recsys_search.commands.terminal.trials.sparkline import BLOCKS, Scale, sparkline
from recsys_search.model.evaluation.metrics import VAL_RMSE, Metric

SHARE = Metric(name="x", label="share", direction="maximize", compute=lambda predictions: 0.0)
SCALE = Scale(0.0, 8.0)  # a block for each whole number


def curve(*values, start=1):
    return dict(enumerate(values, start))


def test_each_value_has_the_block_of_its_height():
    assert sparkline(curve(0, 1, 2, 3, 4, 5, 6, 7, 8), 9, SCALE, 9) == BLOCKS + "█"


def test_values_beyond_the_scale_are_clipped():
    assert sparkline(curve(99, -99), 2, SCALE, 9) == "█▁"


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_value_that_is_not_finite_has_a_sign_of_its_own(value):
    assert sparkline(curve(8, value), 2, SCALE, 9) == "█×"
    assert Scale.of([curve(8, value, 0)], VAL_RMSE) == Scale(0, 8)


def test_the_length_is_the_share_of_its_epochs_that_the_trial_ran():
    assert len(sparkline(curve(*range(20)), 20, SCALE, 10)) == 10
    assert len(sparkline(curve(*range(10)), 20, SCALE, 10)) == 5
    assert len(sparkline(curve(0), 200, SCALE, 10)) == 1


def test_epochs_that_share_a_cell_show_the_latest():
    assert sparkline(curve(8, 0, 0, 8), 4, SCALE, 2) == "▁█"


def test_a_trial_of_few_epochs_has_a_cell_for_each():
    assert sparkline(curve(0, 8), 2, SCALE, 10) == "▁█"


def test_epochs_that_were_not_seen_are_blank():
    assert sparkline(curve(0, 8, start=3), 4, SCALE, 10) == "  ▁█"


def test_without_its_number_of_epochs_a_curve_takes_the_whole_width():
    assert sparkline(curve(0, 8, 0), None, SCALE, 10) == "▁█▁"


def test_no_epoch_is_no_curve():
    assert sparkline({}, 20, SCALE, 10) == ""


def test_a_few_bad_values_do_not_widen_the_scale():
    """One of eight is the first epoch of a bad trial."""
    curves = [curve(2.7, 0.8, 0.79, 0.78), curve(0.9, 0.8, 0.77, 0.76)]
    assert Scale.of(curves, VAL_RMSE) == Scale(0.76, 0.9)


def test_the_worst_values_of_a_maximised_metric_are_the_low_ones():
    curves = [curve(-5.0, 0.5, 0.6, 0.7), curve(0.4, 0.5, 0.6, 0.8)]
    assert Scale.of(curves, SHARE) == Scale(0.4, 0.8)


def test_one_value_is_a_scale():
    scale = Scale.of([curve(0.9)], VAL_RMSE)
    assert sparkline(curve(0.9), 25, scale, 10) == "▁"
    assert scale.block(1.0) == "█"
    assert Scale.of([{}], VAL_RMSE) == Scale(0.0, 0.0)
