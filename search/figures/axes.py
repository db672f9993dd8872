"""What figures of a search space share: outcomes, axes, and what the surrogate expects.

A stopped trial is drawn where the forecast of its end is: its value when it was stopped says little
about its config.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ...errors import NothingYet
from ..definition.axes import Axis, ChoiceAxis, shown
from ..prospects.encoding import is_ordered
from ..prospects.outcomes import Outcome
from ..results.importance import importance_of
from ..results.study_data import StudyData, TrialData
from .style import BEST

N_GRID = 24  # points of each axis at which the surrogate is asked


def outcomes_of(study: StudyData, architecture: str) -> tuple[list[Outcome], dict[str, Axis]]:
    """The architecture's outcomes, and the axes that any of them has.

    Raises:
        NothingYet: there are none.
    """
    known = study.outcomes_of(architecture)
    if not known:
        raise NothingYet(f"no trial of {architecture} in {study.spec.name} has an outcome yet")
    names = {name for each in known for name in each.params} - {"architecture"}
    axes = study.spec.space.axes
    return known, {name: axis for name, axis in axes.items() if name in names}


def best_architecture(study: StudyData) -> str:
    if study.best:
        return str(study.best.config["architecture"])
    return study.spec.architectures[0]


def best_of(study: StudyData, architecture: str) -> TrialData | None:
    """The architecture's best trial: the study's, otherwise the best completed one."""
    if study.best and study.best.config["architecture"] == architecture:
        return study.best
    of_it = (each for each in study.ranked if each.config["architecture"] == architecture)
    return next(of_it, None)


def important_axes(study: StudyData, architecture: str, tried: Collection[str]) -> list[str]:
    """The architecture's axes, the most important first.

    Args:
        tried: the axes that a trial has; of a conditional one there may be none.

    Raises:
        NothingYet: too few of its trials, or they differ in no axis.
    """
    rows = importance_of(study)["architectures"].get(architecture)
    if rows is None:
        raise NothingYet(f"{study.spec.name} has too few trials of {architecture} for its axes")
    names = [row["axis"] for row in rows if row["axis"] in tried]
    if not names:
        raise NothingYet(f"{study.spec.name} has no axis of {architecture} with several values")
    return names


def base_config(
    study: StudyData, best: TrialData | None, known: Sequence[Outcome], names: Sequence[str]
) -> dict[str, Any]:
    """Axis -> value of the config that a figure changes along the axes `names`.

    It is the best trial's. Where a condition keeps one of the axes out of that one, it is the
    config of the best outcome that has them all.
    """
    axes = study.spec.space.axes
    ranked = sorted(known, key=lambda each: (each.is_sick, each.level))
    candidates = [*([best.params] if best else []), *(each.params for each in ranked)]
    params = next((each for each in candidates if set(names) <= each.keys()), candidates[0])
    return {name: axes[name].value_of(param) for name, param in params.items() if name in axes}


def predict(
    study: StudyData, base: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(n,) expected levels and (n,) their standard deviations of a config with each change."""
    surrogate = study.surrogate
    assert surrogate is not None
    return surrogate.predict(surrogate.encoding.encode([{**base, **each} for each in changes]))


def mark_best(
    figure: go.Figure,
    best: TrialData | None,
    names: Sequence[str],
    axes: Mapping[str, Axis],
    place: Mapping[str, int],
    *,
    legend: bool,
) -> None:
    """A star at the best trial, over one axis or a pair of them."""
    if best is None or any(name not in best.params for name in names):
        return
    x, *y = (drawn(axes[name], best.params[name]) for name in names)
    figure.add_scatter(
        x=[x],
        y=y or [best.record["value"]],
        mode="markers",
        name=f"best: trial {best.number}",
        marker={
            "symbol": "star",
            "size": 14,
            "color": BEST,
            "line": {"width": 1, "color": "white"},
        },
        hovertemplate=f"<b>best: trial {best.number}</b><extra></extra>",
        showlegend=legend,
        **place,
    )


def axis_layout(axis: Axis) -> dict[str, Any]:
    """How plotly is to scale an axis; a choice of numbers that double has a log scale."""
    if not is_ordered(axis):
        return {"type": "category"}
    low, high = axis.ends()
    values = sorted(axis.grid(N_GRID))
    is_log = low > 0 and values[len(values) // 2] < (low + high) / 3
    layout: dict[str, Any] = {"type": "log" if is_log else "linear"}
    if isinstance(axis, ChoiceAxis):
        layout |= {"tickvals": values, "ticktext": [shown(value) for value in values]}
    return layout


def drawn(axis: Axis, param: Any) -> Any:
    """A value as a figure places it: a number of 5 digits, or the label of a choice."""
    return float(f"{axis.value_of(param):.5g}") if is_ordered(axis) else shown(param)


def value_of(study: StudyData, outcome: Outcome) -> float:
    return round(study.metric.value_of(outcome.level, study.star), 5)


def title_of(name: str) -> str:
    """The axis without its architecture, which is the same for all axes of a figure."""
    return name.rsplit(".", 1)[-1]
