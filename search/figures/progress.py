"""How the best value fell: over trials, epochs, wall time or money."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import plotly.graph_objects as go

from ..results.study_data import StudyData, TrialData
from .style import (
    BEST,
    by_ending,
    draw_levels,
    hover,
    mark_of,
    metric_range,
    metric_title,
    styled,
)

Over = Literal["trials", "epochs", "hours", "usd"]

TITLES = {
    "trials": "Trials that have ended",
    "epochs": "Epochs trained, of all trials",
    "hours": "Hours in which a trial ran",
    "usd": "Cost in USD",
}


def best_so_far(study: StudyData, over: Over = "trials") -> go.Figure:
    """The best completed trial's value, with each trial's own as a point.

    Values far from the best are cut off: they would hide the differences that matter.

    Args:
        over: what the horizontal axis counts; `usd` needs the study's price per hour.
    """
    ended = sorted(
        (each for each in study.trials if each.ending != "running"),
        key=lambda each: each.ended_at,
    )
    costs = dict(zip((each.number for each in ended), _costs(study, ended, over), strict=True))
    figure = go.Figure()
    for ending, group in by_ending(ended).items():
        mark = mark_of(ending)
        shown = [each for each in group if each.record["value"] is not None]
        figure.add_scatter(
            x=[costs[each.number] for each in shown],
            y=[each.record["value"] for each in shown],
            mode="markers",
            name=ending,
            marker={"color": mark.colour, "symbol": mark.symbol, "size": 7, "opacity": 0.7},
            text=[hover(each, study) for each in shown],
            hoverinfo="text",
        )
    improved = _improvements(study)
    if improved:
        last = max(costs.values())
        figure.add_scatter(
            x=[*(costs[each.number] for each in improved), last],
            y=[each.record["value"] for each in [*improved, improved[-1]]],
            mode="lines",
            name="best so far",
            line={"shape": "hv", "color": BEST, "width": 2.5},
            text=[f"best so far: trial {each.number}" for each in [*improved, improved[-1]]],
            hoverinfo="text+y",
        )
    values = [each.record["value"] for each in ended if each.record["value"] is not None]
    draw_levels(figure, study)
    return styled(
        figure,
        xaxis={"title": TITLES[over], "rangemode": "tozero"},
        yaxis={"title": metric_title(study), "range": metric_range(study, values)},
    )


def _costs(study: StudyData, ended: Sequence[TrialData], over: Over) -> list[float]:
    """What the study had cost when each of its trials ended."""
    if over == "trials":
        return [float(place) for place in range(1, len(ended) + 1)]
    if over == "epochs":
        total, costs = 0, []
        for each in ended:
            costs.append(float(total := total + each.trained_epochs))
        return costs
    hours = study.busy_s([each.ended_at for each in ended]) / 3600
    if over == "hours":
        return [float(each) for each in hours]
    budget = study.spec.budget
    price = budget.usd_per_hour if budget else None
    if price is None:
        raise ValueError(f"study {study.spec.name} has no price per hour; draw it over hours")
    return [float(each) * price for each in hours]


def _improvements(study: StudyData) -> list[TrialData]:
    """The completed trials that were better than all before them."""
    found: list[TrialData] = []
    for trial in study.completed:
        value = trial.record["value"]
        if not found or study.metric.is_better(value, found[-1].record["value"]):
            found.append(trial)
    return found
