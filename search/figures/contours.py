"""The important axes in pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ...errors import NothingYet
from ..definition.axes import Axis
from ..prospects.encoding import is_ordered
from ..prospects.outcomes import Outcome
from ..results.study_data import StudyData, TrialData
from .axes import (
    N_GRID,
    axis_layout,
    base_config,
    best_architecture,
    best_of,
    drawn,
    important_axes,
    mark_best,
    outcomes_of,
    predict,
    title_of,
    value_of,
)
from .style import BEST, metric_range, styled

N_CONTOUR_AXES = 3


def contours(study: StudyData, architecture: str | None = None) -> go.Figure:
    """What the surrogate expects over pairs of the most important axes that have an order.

    All other axes are where the best trial has them.

    Args:
        architecture: whose axes are shown. [default: the best trial's]

    Raises:
        NothingYet: too few trials to say which axes matter, or fewer than two of these axes.
    """
    architecture = architecture or best_architecture(study)
    known, axes = outcomes_of(study, architecture)
    important = important_axes(study, architecture, axes)
    names = [name for name in important if is_ordered(axes[name])]
    pairs = list(combinations(names[:N_CONTOUR_AXES], 2))
    if not pairs:
        raise NothingYet(f"{study.spec.name} has fewer than two axes with an order to draw")
    best = best_of(study, architecture)
    values = [value_of(study, each) for each in known]
    low, high = metric_range(study, values) or (0.0, 1.0)
    figure = make_subplots(1, len(pairs), horizontal_spacing=0.09)
    for col, (x_name, y_name) in enumerate(pairs, start=1):
        _draw_contour(figure, study, best, (x_name, y_name), axes, known, col, (low, high))
    return styled(figure, height=430, showlegend=False)


def _draw_contour(
    figure: go.Figure,
    study: StudyData,
    best: TrialData | None,
    pair: tuple[str, str],
    axes: Mapping[str, Axis],
    known: Sequence[Outcome],
    col: int,
    shown_range: tuple[float, float],
) -> None:
    x_name, y_name = pair
    x_along, y_along = (axes[name].grid(N_GRID) for name in pair)
    configs = [{x_name: x, y_name: y} for y in y_along for x in x_along]
    levels, _ = predict(study, base_config(study, best, known, pair), configs)
    expected = np.array([study.metric.value_of(each, study.star) for each in levels])
    low, high = shown_range
    figure.add_contour(
        x=x_along,
        y=y_along,
        z=np.clip(expected, low, high).reshape(len(y_along), len(x_along)).round(5),
        colorscale="Viridis",
        reversescale=study.metric.direction == "maximize",
        zmin=low,
        zmax=high,
        showscale=col == 1,
        colorbar={"title": {"text": study.metric.name, "side": "right"}, "x": 1.0},
        hovertemplate="%{x}, %{y}: %{z:.4f} expected<extra></extra>",
        row=1,
        col=col,
    )
    tried = [each for each in known if x_name in each.params and y_name in each.params]
    figure.add_scatter(
        x=[drawn(axes[x_name], each.params[x_name]) for each in tried],
        y=[drawn(axes[y_name], each.params[y_name]) for each in tried],
        mode="markers",
        marker={"color": "white", "size": 5, "line": {"width": 1, "color": "#333"}},
        text=[
            f"trial {each.number}: {study.metric.format(value_of(study, each))}" for each in tried
        ],
        hoverinfo="text",
        row=1,
        col=col,
    )
    mark_best(figure, best, pair, axes, {"row": 1, "col": col}, legend=False)
    for update, name in ((figure.update_xaxes, x_name), (figure.update_yaxes, y_name)):
        update(title=title_of(name), **axis_layout(axes[name]), row=1, col=col)
    for edge in study.status["edges"]:
        if edge["axis"] in pair:
            add = figure.add_vline if edge["axis"] == x_name else figure.add_hline
            end = axes[edge["axis"]].ends()[0 if edge["end"] == "low" else 1]
            add(end, line={"color": BEST, "width": 3, "dash": "dash"}, row=1, col=col)
