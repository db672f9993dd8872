"""The figures of a study that optuna-dashboard shows, as JSON of a bounded size.

They are stored among the attributes of the study, which every process reads and optuna-dashboard
searches for each trial; so many trials are sampled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import plotly.graph_objects as go

from ...errors import NothingYet
from ..figures.curves import latents, metric_curves
from ..figures.importance import importance
from ..figures.kl_weight import kl_weight
from ..figures.progress import best_so_far
from ..figures.style import thinned
from ..results.reader import StudyReader
from ..results.study_data import StudyData
from ..storage.artifacts import artifact_store, download_reports

BEST_CURVES, OTHER_CURVES = 20, 40  # trials whose curves are drawn
MAX_POINTS = 200  # in a scatter plot


def stored_figures(reader: StudyReader, *, min_trials: int = 0) -> dict[str, str]:
    """Name -> figure as JSON, of those that the study has enough trials for.

    Args:
        min_trials: below it there are none.
    """
    study = StudyData.of(reader, with_reports=False)
    if len(study.trials) < min_trials:
        return {}
    sampled = _sampled(study, reader)
    drawn: dict[str, Callable[[], go.Figure]] = {
        "curves": lambda: _titled(metric_curves(sampled), "Curves of trials"),
        "latents": lambda: _titled(latents(sampled), "Active units and KL"),
        "kl_weight": lambda: _titled(_sample(kl_weight(study)), "KL weight"),
        "best_by_epochs": lambda: _titled(_sample(best_so_far(study, ["epochs"])), "Best so far"),
        "importance": lambda: _titled(importance(study), "What mattered"),
    }
    if study.status["cost_usd"] is not None:
        drawn["best_by_cost"] = lambda: _titled(_sample(best_so_far(study, ["usd"])), "Best so far")
    figures = {}
    for key, draw in drawn.items():
        try:
            figures[key] = draw().to_json()
        except NothingYet:  # too few trials for importance
            continue
    return figures


def _sampled(study: StudyData, reader: StudyReader) -> StudyData:
    """The study with its best trials, and some from start to end, all with their epoch reports."""
    spread = [study.attempts[place] for place in thinned(study.attempts, OTHER_CURVES)]
    chosen = [*study.ranked[:BEST_CURVES], *spread, *filter(None, [study.best])]
    numbers = {each.number for each in chosen}
    frozen, store = reader.frozen_trials(), artifact_store(reader.url)
    trials = [
        replace(each, reports=download_reports(store, frozen[each.number], reader.storage))
        for each in study.trials
        if each.number in numbers
    ]
    return replace(study, trials=trials)


def _sample(figure: go.Figure) -> go.Figure:
    """The figure with points left out of its scatter plots, in equal parts, down to the limit."""
    scattered = [trace for trace in figure.data if trace.mode == "markers"]
    n_points = sum(len(trace.x) for trace in scattered)
    if n_points <= MAX_POINTS:
        return figure
    for trace in scattered:
        n = max(1, round(len(trace.x) * MAX_POINTS / n_points))
        shown = thinned(trace.x, n)
        for column in ("x", "y", "text", "customdata"):
            values = trace[column]
            if values is not None:
                trace[column] = [values[place] for place in shown]
    return figure


def _titled(figure: go.Figure, title: str) -> go.Figure:
    """The figure with a title above its legend, as high as optuna-dashboard's frames."""
    margin = figure.layout.margin.to_plotly_json()
    top = {"text": title, "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 8}}
    return figure.update_layout(title=top, margin={**margin, "t": 96}, height=450)
