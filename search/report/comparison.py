"""Two studies side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...base.messages import format_seconds
from ..definition.study_file import spec_to_json
from ..figures.comparison import compared_progress
from ..results.sentences import format_interval, format_share
from ..results.study_data import StudyData
from .audit import savings
from .facts import importance_or_none
from .templates import assets, embedded, environment
from .verdict import verdict

UNSET = "-"


def html_comparison(one: StudyData, other: StudyData) -> str:
    """Both studies on one page that needs no network."""
    templates = environment()
    figure = None if incomparable(one, other) else embedded(compared_progress([one, other]))
    return templates.get_template("comparison.html").render(
        comparison_facts(one, other), figure=figure, **assets(templates)
    )


def markdown_comparison(one: StudyData, other: StudyData) -> str:
    """The same without figures, for a pull request."""
    return environment().get_template("comparison.md").render(comparison_facts(one, other))


def comparison_facts(one: StudyData, other: StudyData) -> dict[str, Any]:
    """What the comparison says, as plain values for its templates."""
    names = [one.spec.name, other.spec.name]
    if names[0] == names[1]:
        names[1] += " (other storage)"
    return {
        "names": names,
        "verdicts": [" ".join(verdict(study)) for study in (one, other)],
        "difference": describe_difference(one, other, names),
        "figures": _side_by_side(_figures(one), _figures(other)),
        "settings": _differing(one, other),
        "importance": _side_by_side(_importance(one), _importance(other)),
    }


def describe_difference(one: StudyData, other: StudyData, names: list[str]) -> str:
    """Which study found the better config; or why their values cannot be compared."""
    if why := incomparable(one, other):
        return why
    best = [study.status["best"] for study in (one, other)]
    if None in best:
        return "At least one of the studies has no completed trial yet."
    metric = one.metric
    values = [each[metric.name] for each in best]
    gap = abs(values[0] - values[1])
    if metric.format(gap) == metric.format(0.0):
        return f"Both have found {metric.label} {metric.format(values[0])}."
    better = 0 if metric.is_better(*values) else 1
    is_certain = all(study.status["confirmed"] for study in (one, other))
    certainty = (
        "what both reach with other seeds is in the table"
        if is_certain
        else "confirm both before you rely on it: this is one seed each"
    )
    return (
        f"{names[better]} has found the better config, by {metric.format(gap)} of {metric.label} "
        f"in the search; {certainty}."
    )


def incomparable(one: StudyData, other: StudyData) -> str | None:
    """Why the values of the studies cannot be compared; None if they can."""
    if one.metric.name != other.metric.name:
        metrics = f"{one.metric.name} and {other.metric.name}"
        return f"The studies optimise {metrics}: their values cannot be compared."
    differing = [
        what
        for what, differs in (
            ("ratings", one.fingerprint != other.fingerprint),
            ("splits", one.spec.split != other.spec.split),
        )
        if differs
    ]
    if differing:
        parts = " and ".join(differing)
        return f"The studies have different {parts}: their values cannot be compared."
    return None


def _figures(study: StudyData) -> dict[str, str]:
    """A study's figures by name."""
    status, metric = study.status, study.metric
    best, confirmed, cost = status["best"], status["confirmed"], status["cost_usd"]
    saved = status["epochs_saved"]
    return {
        "dataset": status["dataset"],
        "ratings": study.fingerprint,
        "split": str(study.spec.split),
        "state": status["state"],
        "trials": f"{status['done']} of {status['total']}",
        "best in the search": f"{metric.format(best[metric.name])} (trial {best['number']})"
        if best
        else UNSET,
        "with other seeds": f"{format_interval(confirmed, metric)} (trial {confirmed['number']})"
        if confirmed
        else "not confirmed",
        "bias baseline's RMSE": UNSET
        if status["bias_val_rmse"] is None
        else f"{status['bias_val_rmse']:.4f}",
        "epochs": f"{status['epochs']:,}",
        "time": format_seconds(status["elapsed_s"]),
        "cost": UNSET if cost is None else f"{cost:.2f} USD",
        "stopped early": ", ".join(f"{each.rule} {each.trials}" for each in savings(study))
        or UNSET,
        "epochs saved": UNSET if saved is None else f"{saved:.0%}",
    }


def _importance(study: StudyData) -> dict[str, str]:
    """Axis -> its share, over the whole space."""
    found = importance_or_none(study)
    architectures = found["architectures"] if found else {}
    return {
        f"{architecture}: {row['axis'].removeprefix(f'{architecture}.')}": (
            format_share(row["overall"])
        )
        for architecture, rows in architectures.items()
        for row in rows
    }


def _differing(one: StudyData, other: StudyData) -> list[tuple[str, str, str]]:
    """The settings of the study files that differ, as (path, one's, other's)."""
    files = [_flat(json.loads(spec_to_json(study.spec))) for study in (one, other)]
    rows = _side_by_side(*files)
    return [row for row in rows if row[1] != row[2] and row[0] != "name"]


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """The leaves of nested tables by their path, such as `space.kl_weight.float`."""
    if not isinstance(value, Mapping):
        return {path: json.dumps(value, ensure_ascii=False)}
    found: dict[str, str] = {}
    for name, part in value.items():
        found |= _flat(part, f"{path}.{name}" if path else str(name))
    return found


def _side_by_side(one: Mapping[str, str], other: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(name, one.get(name, UNSET), other.get(name, UNSET)) for name in {**one, **other}]
