"""The report as Markdown, for a pull request."""

from __future__ import annotations

from ..results.study_data import StudyData
from .facts import facts_of
from .templates import environment

N_TOP = 5  # best trials listed


def markdown_report(study: StudyData) -> str:
    """The verdict, the best trials, what was stopped, importance and commands; no figures."""
    facts = facts_of(study)
    rows = {row["number"]: row for row in facts["trials"]}
    template = environment().get_template("report.md")
    return template.render(facts, top=[rows[each.number] for each in study.ranked[:N_TOP]])
