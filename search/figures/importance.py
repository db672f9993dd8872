"""Which axes mattered, with intervals."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..results.importance import importance_of
from ..results.study_data import StudyData
from .style import ENDINGS, styled

OVERALL, NEAR_BEST = ENDINGS["complete"].colour, ENDINGS["plateau"].colour


def importance(study: StudyData) -> go.Figure:
    """The share of the differences in the metric that each axis causes, with 95% intervals.

    Pruned trials count, with the forecast of their end.

    Raises:
        NothingYet: no architecture has enough trials.
    """
    found = importance_of(study)["architectures"]
    spacing = min(0.22, 0.5 / len(found))
    figure = make_subplots(1, len(found), subplot_titles=list(found), horizontal_spacing=spacing)
    for col, (architecture, rows) in enumerate(found.items(), start=1):
        names = [row["axis"].removeprefix(f"{architecture}.") for row in rows]
        for key, name, colour in (
            ("near_best", "among configs near the best", NEAR_BEST),
            ("overall", "over the whole space", OVERALL),
        ):
            shares = [row[key] for row in rows]
            _draw(figure, col, names, shares, name, colour)
        figure.update_yaxes(autorange="reversed", row=1, col=col)
        figure.update_xaxes(tickformat=".0%", rangemode="tozero", row=1, col=col)
    n_rows = max(len(rows) for rows in found.values())
    return styled(
        figure,
        height=140 + 30 * n_rows,
        barmode="group",
        margin={"l": 140, "r": 16, "t": 60, "b": 48},
        legend={"orientation": "h", "y": -0.12, "x": 0, "traceorder": "reversed"},
    )


def _draw(
    figure: go.Figure, col: int, names: list[str], shares: list[Any], name: str, colour: str
) -> None:
    figure.add_bar(
        y=names,
        x=[share and share["mean"] for share in shares],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [share and share["high"] - share["mean"] for share in shares],
            "arrayminus": [share and share["mean"] - share["low"] for share in shares],
            "color": "#555",
            "thickness": 1,
        },
        orientation="h",
        name=name,
        legendgroup=name,
        showlegend=col == 1,
        marker={"color": colour},
        hovertemplate="%{y}: %{x:.0%}<extra></extra>",
        row=1,
        col=col,
    )
