"""Colours, marks and layout that all figures of a study share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any, NamedTuple

import plotly.graph_objects as go

from ..results.study_data import StudyData, TrialData


class Mark(NamedTuple):
    """How trials that ended alike are drawn: by colour and shape, for readers without colours."""

    colour: str
    symbol: str


# Okabe and Ito's colours, which people with any kind of colour vision can tell apart.
ENDINGS = {
    "complete": Mark("#0072B2", "circle"),
    "plateau": Mark("#E69F00", "square"),
    "overfit-gap": Mark("#009E73", "diamond"),
    "hopeless": Mark("#A6A6A6", "triangle-down"),
    "median": Mark("#8C6BB1", "bowtie"),
    "collapse": Mark("#CC79A7", "x"),
    "diverged": Mark("#D55E00", "cross"),
    "known-limit": Mark("#F0E442", "star-triangle-down"),
    "failed": Mark("#000000", "hexagram"),
    "interrupted": Mark("#7A6A53", "pentagon"),
    "running": Mark("#56B4E9", "circle-open"),
}
OTHER = Mark("#4B6FB5", "hourglass")
BEST = "#B00020"

MAX_POINTS = 12_000  # of one figure; longer curves are thinned
FAR = 1.0  # times the distance from the best value to the worst quarter: beyond it is cut off
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def mark_of(ending: str) -> Mark:
    return ENDINGS.get(ending, OTHER)


def by_ending(trials: Iterable[TrialData]) -> dict[str, list[TrialData]]:
    """The trials that ended alike, in the order of `ENDINGS`."""
    groups: dict[str, list[TrialData]] = {}
    for trial in trials:
        groups.setdefault(trial.ending, []).append(trial)
    order = list(ENDINGS)
    known = sorted(groups, key=lambda name: (order.index(name) if name in order else 99, name))
    return {name: groups[name] for name in known}


def styled(figure: go.Figure, *, height: int = 420, **layout: Any) -> go.Figure:
    """The figure with the common layout; `layout` overrides it."""
    common = {
        "template": "plotly_white",
        "font": {"family": FONT, "size": 13},
        "height": height,
        "margin": {"l": 64, "r": 16, "t": 24, "b": 48},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        "hoverlabel": {"align": "left"},
    }
    # 1e-4, not 100µ.
    figure.update_xaxes(exponentformat="e", minexponent=4)
    return figure.update_layout({**common, **layout})


def thinned(values: Sequence[Any], n: int, *, keep: Iterable[int] = ()) -> list[int]:
    """Positions of about `n` of the values, evenly spaced: the first, the last, and `keep`."""
    if len(values) <= n:
        return list(range(len(values)))
    step = (len(values) - 1) / max(1, n - 1)
    return sorted({round(step * place) for place in range(n)} | set(keep))


def metric_title(study: StudyData) -> str:
    label = study.metric.label
    return label[:1].upper() + label[1:]


def hover(trial: TrialData, study: StudyData) -> str:
    """A few lines about a trial: number, value, how it ended."""
    value = trial.record["value"]
    lines = [
        f"<b>trial {trial.number}</b> {trial.record['architecture'] or ''}",
        "" if value is None else f"{study.metric.label} {study.metric.format(value)}",
        f"{trial.ending}, {trial.record['epochs']} epochs",
    ]
    return "<br>".join(filter(None, lines))


def metric_range(study: StudyData, values: Iterable[float]) -> list[float] | None:
    """The range of an axis of the metric: from the best value to the worst that is not far off.

    None without finite values: plotly then chooses.
    """
    costs = sorted(study.metric.cost(value) for value in values if isfinite(value))
    if not costs:
        return None
    best, usual = costs[0], costs[3 * len(costs) // 4]
    far = min(costs[-1], usual + FAR * (usual - best))
    margin = 0.06 * (far - best) or 0.01
    return sorted(study.metric.cost(end) for end in (best - margin, far + margin))


def draw_levels(figure: go.Figure, study: StudyData, **subplot: Any) -> None:
    """Lines at the bias baseline's value and at the target, if they are of the study's metric.

    Args:
        subplot: its `row` and `col`, if the figure has several.
    """
    bias, target = study.status["bias_val_rmse"], study.status["target"]
    levels = []
    if bias is not None and study.metric.name == "val_rmse":
        levels.append((bias, "biases", "dot"))
    if target and target["metric"] == study.metric.name:
        levels.append((target["value"], "target", "dash"))
    elif target and (target["metric"], study.metric.name) == ("val_mse", "val_rmse"):
        levels.append((target["value"] ** 0.5, "target", "dash"))
    for value, name, dash in levels:
        figure.add_hline(
            y=value,
            line={"color": "#555", "width": 1, "dash": dash},
            annotation={
                "text": f"{name} {study.metric.format(value)}",
                "font": {"size": 11, "color": "#555"},
            },
            annotation_position="top right",
            **subplot,
        )
