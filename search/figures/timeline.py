"""When each worker ran which trial."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import plotly.graph_objects as go

from ..results.study_data import StudyData, TrialData
from .style import by_ending, mark_of, styled


def lanes(trials: Iterable[TrialData]) -> dict[str, list[TrialData]]:
    """The trials of each worker in the order in which they ran, by a name for the worker.

    A worker that was started again on the same machine goes on in the lane of one that had ended.
    """
    in_order = sorted(trials, key=lambda each: (each.started_at, each.number))
    leaves_at: dict[tuple[str, int] | None, float] = {}
    for trial in in_order:
        leaves_at[trial.worker] = max(trial.ended_at, leaves_at.get(trial.worker, 0.0))
    found: dict[str, list[TrialData]] = {}
    for trial in in_order:
        host = trial.worker[0] if trial.worker else "unknown machine"
        on_host = {lane: ran[-1] for lane, ran in found.items() if lane.rsplit(" ", 1)[0] == host}
        own = [
            lane
            for lane, last in on_host.items()
            if last.worker == trial.worker and last.ended_at <= trial.started_at
        ]
        left = [
            lane for lane, last in on_host.items() if leaves_at[last.worker] <= trial.started_at
        ]
        lane = next(iter([*own, *left]), f"{host} {len(on_host) + 1}")
        found.setdefault(lane, []).append(trial)
    return found


def idle_share(study: StudyData) -> float:
    """The share of the workers' time between their first and last trial in which they ran none.

    Time in which no trial of the study ran does not count: the study was paused.
    """
    present = busy = 0.0
    for ran in lanes(study.trials).values():
        first, last = study.busy_s([ran[0].started_at, ran[-1].ended_at])
        present += last - first
        busy += sum(each.ended_at - each.started_at for each in ran)
    return max(0.0, 1 - busy / present) if present else 0.0


def timeline(study: StudyData) -> go.Figure:
    """A bar for each trial in its worker's row; a gap is a time in which the worker ran none."""
    rows = lanes(study.trials)
    row_of = {each.number: lane for lane, ran in rows.items() for each in ran}
    figure = go.Figure()
    for ending, group in by_ending(study.trials).items():
        figure.add_bar(
            y=[row_of[each.number] for each in group],
            base=[_time(each.started_at) for each in group],
            x=[round(1000 * (each.ended_at - each.started_at)) for each in group],  # milliseconds
            customdata=[each.number for each in group],
            orientation="h",
            name=ending,
            marker={"color": mark_of(ending).colour, "line": {"width": 0.5, "color": "white"}},
            hovertemplate=f"<b>trial %{{customdata}}</b> {ending}<br>%{{base}}<extra></extra>",
        )
    return styled(
        figure,
        height=150 + 34 * max(1, len(rows)),
        barmode="overlay",
        xaxis={"type": "date", "title": f"Time in {datetime.now().astimezone().tzname()}"},
        yaxis={"autorange": "reversed"},
    )


def _time(seconds: float) -> str:
    """A time of this machine's zone, to the millisecond: a trial may take less than a second."""
    return datetime.fromtimestamp(seconds).isoformat(" ", timespec="milliseconds")
