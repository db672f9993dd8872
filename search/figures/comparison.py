"""Several studies in one figure."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..results.study_data import StudyData
from .progress import COSTS, best_steps, costs_of
from .style import ENDINGS, metric_range, metric_title, styled

COLOURS = [mark.colour for mark in ENDINGS.values()]
OVER = ("trials", "epochs", "hours")


def compared_progress(studies: Sequence[StudyData]) -> go.Figure:
    """How the best value of each study improved: over trials, epochs and hours.

    Args:
        studies: of one metric.
    """
    figure = make_subplots(1, len(OVER), shared_yaxes=True, horizontal_spacing=0.03)
    values: list[float] = []
    for at, study in enumerate(studies):
        values += [each.record["value"] for each in study.completed]
        for col, over in enumerate(OVER, start=1):
            if not study.completed:
                continue
            figure.add_scatter(
                **best_steps(study, costs_of(study, over)),
                mode="lines+markers",
                name=study.spec.name,
                legendgroup=str(at),
                showlegend=col == 1,
                line={
                    "shape": "hv",
                    "color": COLOURS[at % len(COLOURS)],
                    "dash": "solid" if at == 0 else "dash",
                },
                hovertemplate=f"{study.spec.name}, trial %{{customdata}}: %{{y}}<extra></extra>",
                row=1,
                col=col,
            )
            figure.update_xaxes(title=COSTS[over], rangemode="tozero", row=1, col=col)
    figure.update_yaxes(range=metric_range(studies[0], values))
    figure.update_yaxes(title=metric_title(studies[0]), row=1, col=1)
    return styled(figure)
