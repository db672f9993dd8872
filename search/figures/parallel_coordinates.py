"""All axes of the trials at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..definition.axes import Axis, shown
from ..prospects.encoding import is_ordered
from ..prospects.outcomes import Outcome
from ..results.study_data import StudyData
from .axes import best_architecture, outcomes_of, title_of, value_of
from .style import metric_range, styled


def parallel_coordinates(study: StudyData, architecture: str | None = None) -> go.Figure:
    """A line for each trial through its value on each axis; drag along an axis to select trials.

    Args:
        architecture: whose trials are shown. [default: the best trial's]

    Raises:
        NothingYet: there are no outcomes of the architecture.
    """
    known, axes = outcomes_of(study, architecture or best_architecture(study))
    values = [value_of(study, each) for each in known]
    low, high = metric_range(study, values) or (0.0, 1.0)
    dimensions = [_dimension(name, axis, known) for name, axis in axes.items()]
    figure = go.Figure(
        go.Parcoords(
            dimensions=[
                *dimensions,
                {
                    "label": study.metric.name,
                    "values": np.clip(values, low, high),
                    "tickformat": f".{study.metric.digits}f",
                },
            ],
            line={
                "color": values,
                "cmin": low,
                "cmax": high,
                "colorscale": "Viridis",
                "reversescale": study.metric.direction == "maximize",
                "showscale": True,
            },
            labelangle=-18,
            labelside="bottom",
        )
    )
    return styled(figure, height=460, margin={"l": 64, "r": 32, "t": 32, "b": 110})


def _dimension(name: str, axis: Axis, known: Sequence[Outcome]) -> dict[str, Any]:
    """An axis of parallel coordinates; a trial that lacks it is at its low end."""
    labels = [axis.param_of(value) for value in axis.grid(5)]
    if is_ordered(axis):
        positions = [
            round(axis.position(axis.value_of(each.params[name])), 4)
            if name in each.params
            else 0.0
            for each in known
        ]
        ticks = [axis.position(axis.value_of(label)) for label in labels]
        text = [_short(axis.value_of(label)) for label in labels]
        end = 1.0
    else:
        place = {label: at for at, label in enumerate(labels)}
        positions = [float(place.get(each.params.get(name), 0)) for each in known]
        ticks, text, end = (
            list(range(len(labels))),
            [shown(label) for label in labels],
            len(labels) - 1.0,
        )
    return {
        "label": title_of(name),
        "values": positions,
        "tickvals": ticks,
        "ticktext": text,
        "range": [0.0, end or 1.0],
    }


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3g}"
