"""The report as one HTML page that needs no network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go

from ...errors import NothingYet
from .. import figures
from ..figures.axes import best_architecture
from ..results.study_data import StudyData
from .facts import facts_of, repeat_command
from .templates import assets, embedded, environment

SECTIONS = {
    "verdict": "Verdict",
    "progress": "Best so far",
    "curves": "Curves",
    "trials": "Trials",
    "importance": "Importance",
    "parallel": "Parallel coordinates",
    "axes": "Slices and contours",
    "workers": "Workers",
    "audit": "Audit of the pruners",
    "health": "Health and provenance",
}
FIGURES: dict[str, Callable[[StudyData], go.Figure]] = {
    "best_so_far": figures.best_so_far,
    "curves": figures.curves,
    "importance": figures.importance,
    "parallel_coordinates": figures.parallel_coordinates,
    "slices": figures.slices,
    "contours": figures.contours,
    "timeline": figures.timeline,
}


def html_report(study: StudyData) -> str:
    """The whole page."""
    templates = environment()
    facts = facts_of(study)
    drawn, missing = _draw(study)
    return templates.get_template("report.html").render(
        facts,
        sections=SECTIONS,
        numbers={each: at for at, each in enumerate(SECTIONS, start=1)},
        endings=sorted({row["ending"] for row in facts["trials"]}),
        repeat=repeat_command(study, "NUMBER"),
        figures=drawn,
        missing=missing,
        architecture=best_architecture(study),
        **assets(templates),
    )


def _draw(study: StudyData) -> tuple[dict[str, Any], dict[str, str]]:
    """The figures, None for each that needs more trials; and why that is."""
    drawn: dict[str, Any] = {}
    missing = {}
    for name, draw in FIGURES.items():
        try:
            drawn[name] = embedded(draw(study))
        except NothingYet as error:
            drawn[name], missing[name] = None, str(error)
    return drawn, missing
