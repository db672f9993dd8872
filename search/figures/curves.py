"""Curves by epoch, coloured by how their trials ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from operator import attrgetter

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ...model.training.reports import EpochReport
from ..results.study_data import StudyData, TrialData
from .style import (
    BEST,
    MAX_POINTS,
    by_ending,
    draw_levels,
    mark_of,
    metric_range,
    metric_title,
    styled,
    thinned,
)

Curve = Mapping[int, float]
"""epoch -> value"""


def curves(study: StudyData) -> go.Figure:
    """The metric, the train/validation gap, raw KL and active units, all by epoch.

    A click on an ending in the legend hides or shows its trials in all four.
    """
    rows: list[tuple[str, Callable[[TrialData], Curve]]] = [
        (metric_title(study), lambda trial: trial.curve),
        ("Validation - train RMSE", lambda trial: _reported(trial, attrgetter("train_gap"))),
        ("Raw KL in nats", lambda trial: _reported(trial, _raw_kl)),
        ("Active units", lambda trial: _reported(trial, _active_units)),
    ]
    figure = _by_epoch(study, rows)
    _limit(figure, study, [value for each in study.attempts for value in each.curve.values()])
    draw_levels(figure, study, row=1, col=1)
    return figure


def metric_curves(study: StudyData) -> go.Figure:
    """The metric by epoch, alone."""
    figure = _by_epoch(study, [(metric_title(study), lambda trial: trial.curve)])
    _limit(figure, study, [value for each in study.attempts for value in each.curve.values()])
    draw_levels(figure, study, row=1, col=1)
    return figure


def latents(study: StudyData) -> go.Figure:
    """Active units and raw KL by epoch: a collapse is where both go to zero."""
    return _by_epoch(
        study,
        [
            ("Active units", lambda trial: _reported(trial, _active_units)),
            ("Raw KL in nats", lambda trial: _reported(trial, _raw_kl)),
        ],
    )


def _by_epoch(
    study: StudyData, rows: Sequence[tuple[str, Callable[[TrialData], Curve]]]
) -> go.Figure:
    """One row for each quantity, over one axis of epochs; the best trial's curve is on top."""
    figure = make_subplots(len(rows), 1, shared_xaxes=True, vertical_spacing=0.03)
    n_curves = max(1, len(study.attempts))
    per_curve = max(5, MAX_POINTS // (n_curves * len(rows)))
    for at, (title, values) in enumerate(rows, start=1):
        figure.update_yaxes(title=title, row=at, col=1)
        for ending, group in by_ending(study.attempts).items():
            _draw(figure, at, ending, [(each.number, values(each)) for each in group], per_curve)
        if study.best:
            best = values(study.best)
            figure.add_scatter(
                x=list(best),
                y=list(best.values()),
                mode="lines",
                name=f"best: trial {study.best.number}",
                legendgroup="best",
                showlegend=at == 1,
                line={"color": BEST, "width": 2.5},
                hovertemplate=f"<b>trial {study.best.number}</b>, epoch %{{x}}: %{{y}}",
                row=at,
                col=1,
            )
    figure.update_xaxes(title="Epoch", row=len(rows), col=1)
    return styled(figure, height=120 + 190 * len(rows), hovermode="closest")


def _draw(
    figure: go.Figure, row: int, ending: str, group: Sequence[tuple[int, Curve]], per_curve: int
) -> None:
    """The curves of trials that ended alike, as one trace: a browser draws a thousand quickly."""
    epochs: list[int | None] = []
    values: list[float | None] = []
    numbers: list[int | None] = []
    for number, curve in group:
        points = list(curve.items())
        if not points:
            continue
        places = range(len(points))
        extremes = [end(places, key=lambda at: points[at][1]) for end in (min, max)]
        for at in thinned(points, per_curve, keep=extremes):
            epochs.append(points[at][0])
            values.append(float(f"{points[at][1]:.5g}"))
            numbers.append(number)
        # The gap between two curves.
        epochs.append(None)
        values.append(None)
        numbers.append(None)
    figure.add_scatter(
        x=epochs,
        y=values,
        customdata=numbers,
        mode="lines+markers",
        name=ending,
        legendgroup=ending,
        showlegend=row == 1,
        line={"color": mark_of(ending).colour, "width": 1},
        marker={"size": 3, "symbol": mark_of(ending).symbol},
        opacity=0.75,
        hovertemplate=f"<b>trial %{{customdata}}</b> {ending}, epoch %{{x}}: %{{y}}<extra></extra>",
        row=row,
        col=1,
    )


def _limit(figure: go.Figure, study: StudyData, values: Sequence[float]) -> None:
    """Cut the metric's axis where the values of first epochs are far from all others."""
    if shown := metric_range(study, values):
        figure.update_yaxes(range=shown, row=1, col=1)


def _reported(trial: TrialData, value: Callable[[EpochReport], float | None]) -> Curve:
    """A quantity by epoch; empty if the trial has no reports, or a model without it."""
    found = {report.epoch: value(report) for report in trial.reports}
    return {epoch: each for epoch, each in found.items() if each is not None and isfinite(each)}


def _raw_kl(report: EpochReport) -> float | None:
    return report.kl if report.active_units else None


def _active_units(report: EpochReport) -> float | None:
    """Of the tower that has the fewest: where one has none, the model has collapsed."""
    return min(report.active_units.values()) if report.active_units else None
