"""Curves as a chart: marks at the right places, and nothing beyond the width."""

from __future__ import annotations

from math import nan

import pytest
from recsys_search.commands.terminal.trials.chart import ROWS, chart


def plain(curves, width=80):
    return [line.plain for line in chart(curves, width)]


def test_a_straight_line_goes_from_corner_to_corner():
    lines = plain({"validation": {epoch: 1.0 - epoch / 10 for epoch in range(1, 11)}})
    columns = [line.index("●") for line in lines[:ROWS]]
    assert columns == list(range(columns[0], columns[0] + 4 * ROWS, 4))
    assert [lines[0][:8], lines[9][:8]] == ["0.9000 ┤", "0.0000 ┤"]
    assert lines[ROWS].startswith("       └────")
    assert lines[ROWS + 1].split() == ["1", "10", "epoch"]
    assert lines[ROWS + 1].index("10") + 1 == columns[-1]  # its last digit is below the last epoch


def test_each_curve_has_a_mark_of_its_own_and_the_first_is_in_front():
    lines = plain({"validation": {1: 0.9, 2: 0.8}, "train": {1: 0.9, 2: 0.7}})
    assert lines[0].split() == ["0.9000", "┤●"]
    assert [line.count("○") for line in lines[:ROWS]] == [0] * 9 + [1]
    assert lines[-1].split() == ["●", "validation", "○", "train"]


def test_an_outlier_is_marked_and_does_not_flatten_the_rest():
    curve = {epoch: 0.8 - epoch / 1000 for epoch in range(2, 21)}
    lines = plain({"validation": {1: 2.7, **curve}})
    assert lines[0].startswith("0.7980 ┤^")
    assert lines[9].startswith("0.7800 ┤")


def test_values_that_are_not_finite_are_left_out():
    lines = plain({"validation": {1: 0.9, 2: nan, 3: 0.8}})
    assert sum(line.count("●") for line in lines[:ROWS]) == 2


def test_one_value_is_in_the_middle():
    lines = plain({"validation": {1: 0.9}})
    assert lines[ROWS // 2] == "0.9000 ┤●"
    assert sum("0.9000" in line for line in lines) == 1


@pytest.mark.parametrize("curves", [{}, {"validation": {}}, {"validation": {1: nan}}])
def test_no_value_is_no_chart(curves):
    assert plain(curves) == []


def test_one_of_two_curves_may_be_empty():
    assert plain({"trial 3": {}, "trial 7": {1: 0.9, 2: 0.8}})[0] == "0.9000 ┤○"


@pytest.mark.parametrize("n_epochs", [1, 2, 20, 60, 500])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_line_fits_the_width(n_epochs, width):
    lines = chart({"a": {epoch: 1 / epoch for epoch in range(1, n_epochs + 1)}}, width)
    assert all(line.cell_len <= width for line in lines)
