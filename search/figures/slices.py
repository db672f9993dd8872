"""The important axes one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

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
from .style import BEST, ENDINGS, metric_range, metric_title, styled

N_SLICES = 6
REACHED, FORECAST = ENDINGS["complete"].colour, ENDINGS["hopeless"].colour
EXPECTED = ENDINGS["running"].colour


def slices(study: StudyData, architecture: str | None = None) -> go.Figure:
    """Each important axis against the metric, and what the surrogate expects along it.

    The line holds all other axes where the best trial has them; the band is its 95% interval. An
    end of an axis at which all of the best trials lie is marked.

    Args:
        architecture: whose axes are shown. [default: the best trial's]

    Raises:
        NothingYet: too few trials to say which axes matter.
    """
    architecture = architecture or best_architecture(study)
    known, axes = outcomes_of(study, architecture)
    names = important_axes(study, architecture, axes)[:N_SLICES]
    n_cols = min(2, len(names))
    n_rows = -(-len(names) // n_cols)
    titles = [title_of(name) for name in names]
    figure = make_subplots(
        n_rows, n_cols, subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.05
    )
    best = best_of(study, architecture)
    values = [value_of(study, each) for each in known]
    for at, name in enumerate(names):
        place = {"row": at // n_cols + 1, "col": at % n_cols + 1}
        _draw_slice(figure, study, best, name, axes[name], known, place, legend=at == 0)
        figure.update_yaxes(range=metric_range(study, values), **place)
    figure.update_yaxes(title=metric_title(study), col=1)
    return styled(
        figure,
        height=110 + 230 * n_rows,
        margin={"l": 64, "r": 16, "t": 70, "b": 40},
        legend={"orientation": "h", "y": 1, "yref": "container", "x": 0},
    )


def _draw_slice(
    figure: go.Figure,
    study: StudyData,
    best: TrialData | None,
    name: str,
    axis: Axis,
    known: Sequence[Outcome],
    place: Mapping[str, int],
    *,
    legend: bool,
) -> None:
    base = base_config(study, best, known, [name])
    along, low, expected, high = _expected_along(study, base, name, axis)
    if is_ordered(axis):
        figure.add_scatter(
            x=[*along, *reversed(along)],
            y=[*high, *reversed(low)],
            mode="lines",
            fill="toself",
            fillcolor=EXPECTED,
            opacity=0.25,
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            **place,
        )
    figure.add_scatter(
        x=along,
        y=expected,
        mode="lines" if is_ordered(axis) else "markers",
        name="expected, other axes as in the best trial",
        line={"color": EXPECTED, "width": 2},
        marker={"symbol": "line-ew", "size": 26, "line": {"width": 3, "color": EXPECTED}},
        showlegend=legend,
        **place,
    )
    for label, colour, is_forecast in (
        ("reached by a trial", REACHED, False),
        ("forecast for a stopped trial", FORECAST, True),
    ):
        shown = [each for each in known if (each.sd > 0) == is_forecast and name in each.params]
        figure.add_scatter(
            x=[drawn(axis, each.params[name]) for each in shown],
            y=[value_of(study, each) for each in shown],
            mode="markers",
            name=label,
            marker={
                "color": colour,
                "size": 6,
                "symbol": "circle-open" if is_forecast else "circle",
            },
            customdata=[each.number for each in shown],
            hovertemplate="<b>trial %{customdata}</b>: %{x}, %{y}<extra></extra>",
            showlegend=legend,
            **place,
        )
    mark_best(figure, best, [name], {name: axis}, place, legend=legend)
    figure.update_xaxes(**axis_layout(axis), **place)
    for edge in study.status["edges"]:
        if edge["axis"] == name:
            _mark_edge(figure, axis, edge["end"], place)


def _mark_edge(figure: go.Figure, axis: Axis, end: str, place: Mapping[str, int]) -> None:
    x = axis.ends()[0 if end == "low" else 1]
    # On a log axis plotly places lines by their value and annotations by its logarithm.
    is_log = axis_layout(axis)["type"] == "log"
    figure.add_vline(x=x, line={"color": BEST, "width": 1.5, "dash": "dash"}, **place)
    figure.add_annotation(
        x=log10(x) if is_log else x,
        y=1,
        yref="y domain",
        xanchor="left" if end == "low" else "right",
        yanchor="top",
        text=f"the best are at the {end} end",
        font={"size": 11},
        showarrow=False,
        **place,
    )


def _expected_along(
    study: StudyData, base: Mapping[str, Any], name: str, axis: Axis
) -> tuple[list[Any], list[float], list[float], list[float]]:
    """Values along an axis; there the low end, the median and the high end of what is expected."""
    values = axis.grid(N_GRID)
    levels, sds = predict(study, base, [{name: value} for value in values])
    ends = (levels - 1.96 * sds, levels, levels + 1.96 * sds)
    low, middle, high = (
        [round(study.metric.value_of(float(each), study.star), 5) for each in line] for line in ends
    )
    return [drawn(axis, axis.param_of(value)) for value in values], low, middle, high
