"""How the best value improved: over trials, epochs, wall time and money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ...errors import OptionError
from ..results.study_data import StudyData, TrialData
from .style import BEST, by_ending, draw_levels, mark_of, metric_range, metric_title, styled

COSTS = {
    "trials": "Trials that have ended",
    "epochs": "Epochs of all trials",
    "hours": "Hours in which a trial ran",
    "usd": "Cost in USD",
}


def best_so_far(study: StudyData, over: Sequence[str] | None = None) -> go.Figure:
    """The best completed trial's value, with each trial's own as a point.

    Values far from the best are cut off: they would hide the differences that matter.

    Args:
        over: what the horizontal axes count, each a key of `COSTS`. [default: all that are known]

    Raises:
        OptionError: one is unknown, or is `usd` and the study has no price per hour.
    """
    known = [name for name in COSTS if name != "usd" or usd_per_hour(study) is not None]
    for name in over or ():
        if name not in known:
            raise OptionError(
                f"no axis {name!r} for {study.spec.name}; choose from {', '.join(known)}"
            )
    over = over or known
    figure = make_subplots(1, len(over), shared_yaxes=True, horizontal_spacing=0.03)
    for col, name in enumerate(over, start=1):
        _draw(figure, study, costs_of(study, name), col)
        figure.update_xaxes(title=COSTS[name], rangemode="tozero", row=1, col=col)
        draw_levels(figure, study, row=1, col=col)
    ended = ended_trials(study)
    values = [each.record["value"] for each in ended if each.record["value"] is not None]
    figure.update_yaxes(range=metric_range(study, values))
    figure.update_yaxes(title=metric_title(study), row=1, col=1)
    return styled(figure, hovermode="closest")


def _draw(figure: go.Figure, study: StudyData, cost_at: Mapping[int, float], col: int) -> None:
    for ending, group in by_ending(ended_trials(study)).items():
        mark = mark_of(ending)
        shown = [each for each in group if each.record["value"] is not None]
        if not shown:
            continue
        figure.add_scatter(
            x=[cost_at[each.number] for each in shown],
            y=[float(f"{each.record['value']:.6g}") for each in shown],
            customdata=[each.number for each in shown],
            mode="markers",
            name=ending,
            legendgroup=ending,
            showlegend=col == 1,
            marker={"color": mark.colour, "symbol": mark.symbol, "size": 7, "opacity": 0.7},
            hovertemplate=f"<b>trial %{{customdata}}</b> {ending}: %{{y}}<extra></extra>",
            row=1,
            col=col,
        )
    if not study.completed:
        return
    figure.add_scatter(
        **best_steps(study, cost_at),
        mode="lines",
        name="best so far",
        legendgroup="best so far",
        showlegend=col == 1,
        line={"shape": "hv", "color": BEST, "width": 2.5},
        hovertemplate="best so far: <b>trial %{customdata}</b>, %{y}<extra></extra>",
        row=1,
        col=col,
    )


def ended_trials(study: StudyData) -> list[TrialData]:
    """The trials that have ended, in that order."""
    ended = [each for each in study.trials if each.ending != "running"]
    return sorted(ended, key=lambda each: each.ended_at)


def costs_of(study: StudyData, over: str) -> dict[int, float]:
    """What the study had cost when each of its trials ended, by their numbers.

    Args:
        over: a key of `COSTS`; `usd` counts as free if the study has no price per hour.
    """
    ended = ended_trials(study)
    if over == "trials":
        costs = [float(place) for place in range(1, len(ended) + 1)]
    elif over == "epochs":
        costs = [float(total) for total in accumulate(each.trained_epochs for each in ended)]
    else:
        price = 1.0 if over == "hours" else usd_per_hour(study) or 0.0
        costs = [float(s) / 3600 * price for s in study.busy_s([each.ended_at for each in ended])]
    return {each.number: float(f"{cost:.5g}") for each, cost in zip(ended, costs, strict=True)}


def usd_per_hour(study: StudyData) -> float | None:
    return study.spec.budget.usd_per_hour if study.spec.budget else None


def best_steps(study: StudyData, cost_at: Mapping[int, float]) -> dict[str, list[Any]]:
    """Plotly's `x`, `y` and `customdata` of the best value so far; the last one holds to the end.

    Args:
        cost_at: as `costs_of` returns it.
    """
    improved = improvements(study)
    steps = [*improved, improved[-1]]
    return {
        "x": [*(cost_at[each.number] for each in improved), max(cost_at.values())],
        "y": [each.record["value"] for each in steps],
        "customdata": [each.number for each in steps],
    }


def improvements(study: StudyData) -> list[TrialData]:
    """The completed trials that were better than all before them."""
    found: list[TrialData] = []
    for trial in study.completed:
        value = trial.record["value"]
        if not found or study.metric.is_better(value, found[-1].record["value"]):
            found.append(trial)
    return found
