"""The KL weight against what trials reached."""

from __future__ import annotations

import plotly.graph_objects as go

from ..results.study_data import StudyData
from .style import by_ending, hover, mark_of, metric_range, metric_title, styled


def kl_weight(study: StudyData) -> go.Figure:
    """Each trial's KL weight and its best value, with the collapsed trials marked.

    Models without latents have no KL weight and are left out.
    """
    shown = [
        each
        for each in study.attempts
        if each.config.get("kl_weight") is not None and each.record["value"] is not None
    ]
    figure = go.Figure()
    for ending, group in by_ending(shown).items():
        mark, is_collapsed = mark_of(ending), ending == "collapse"
        figure.add_scatter(
            x=[each.config["kl_weight"] for each in group],
            y=[each.record["value"] for each in group],
            mode="markers",
            name="collapsed" if is_collapsed else ending,
            marker={
                "color": mark.colour,
                "symbol": mark.symbol,
                "size": 12 if is_collapsed else 8,
                "line": {"width": 1, "color": "#333"} if is_collapsed else {"width": 0},
            },
            text=[
                f"{hover(each, study)}<br>KL weight {each.config['kl_weight']:.3g}"
                for each in group
            ],
            hoverinfo="text",
        )
    # A logarithm has no place for 0.
    is_log = all(each.config["kl_weight"] > 0 for each in shown)
    values = [each.record["value"] for each in shown]
    return styled(
        figure,
        xaxis={"title": "KL weight", "type": "log" if is_log else "linear"},
        yaxis={"title": metric_title(study), "range": metric_range(study, values)},
    )
