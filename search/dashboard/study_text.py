"""What the note of a study says: its goal, how far it is, what it costs, and the next commands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import sqrt
from typing import Any

from ...base.markdown import sentence, two_columns
from ...base.messages import format_seconds
from ...model.evaluation.metrics import Metric
from ...model.evaluation.sentences import describe_quality
from ...model.evaluation.weighted import find_metric
from ..results.sentences import (
    describe_confirmed,
    describe_edges,
    describe_outlook,
    next_commands,
)

MARKER = "*recsys-search keeps what follows up to date; what you write above this line stays.*"
"""The line in a study's note below which this program writes."""

_STATES = ("complete", "pruned", "failed", "interrupted", "running", "waiting")


def study_text(status: dict[str, Any], storage_url: str, at: float) -> str:
    """The note of a study, in Markdown.

    Args:
        status: as `status --json` prints it.
        at: when it was read, in seconds since 1970.
        storage_url: for the example commands; its password is left out.
    """
    metric = find_metric(status["metric"])
    paragraphs = [
        f"## {status['study']}: {status['state']}",
        _goal(status, metric),
        two_columns({**_rows(status, metric), "as of": _utc(at)}),
        _stops(status["stops"]),
        _advice(status, metric),
        "Next commands:",
        "```\n" + "\n".join(next_commands(status, storage_url)) + "\n```",
    ]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _utc(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def update_own_part(body: str, text: str) -> str:
    """A study's note with the text as this program's part.

    What a person has written above that part stays. A note without it is all a person's, and stays
    as it is.
    """
    above, own, _ = body.partition(MARKER)
    return f"{above}{MARKER}\n\n{text}" if own or not body.strip() else body


def _goal(status: Mapping[str, Any], metric: Metric) -> str:
    aim = f"**Goal:** {metric.direction} {metric.label} on {status['dataset']}"
    target = status["target"]
    if target is None:
        return f"{aim}."
    reached = "reached" if target["reached"] else "not reached yet"
    other = _in_other_unit(target["metric"], target["value"])
    return f"{aim}; the target is {target['condition']}{other}, {reached}. {target['note']}".strip()


def _in_other_unit(metric: str, value: float) -> str:
    """A threshold on RMSE as MSE, and the other way round; empty for other metrics."""
    if metric == "val_rmse":
        return f" (an MSE of {value**2:.4f})"
    return f" (an RMSE of {sqrt(value):.4f})" if metric == "val_mse" else ""


def _rows(status: Mapping[str, Any], metric: Metric) -> dict[str, str]:
    counts = ", ".join(f"{status[state]} {state}" for state in _STATES if status[state])
    progress = f"{status['done']} of {status['total']} trials"
    rows = {"progress": f"{progress}: {counts}" if counts else progress}
    bias, best = status["bias_val_rmse"], status["best"]
    if best:
        rows["best"] = f"trial {best['number']}, {describe_quality(best, metric, bias)}"
    if bias is not None:
        rows["bias baseline"] = f"validation RMSE {bias:.4f} (MSE {bias**2:.4f})"
    if confirmed := status["confirmed"]:
        rows["confirmed"] = (
            f"trial {confirmed['number']} leads, {describe_confirmed(confirmed, metric)}"
        )
    cost = f"{format_seconds(status['elapsed_s'])}, {status['epochs']:,} epochs"
    usd = status["cost_usd"]
    rows["cost so far"] = cost if usd is None else f"{cost}, {usd:.2f} USD"
    if status["note"]:
        rows["note"] = status["note"]
    return rows


def _stops(stops: Mapping[str, int]) -> str:
    """How the stops split, the most frequent first."""
    if not stops:
        return ""
    total = sum(stops.values())
    ordered = sorted(stops.items(), key=lambda stop: (-stop[1], stop[0]))
    shares = (f"{reason} {count} ({count / total:.0%})" for reason, count in ordered)
    return f"**Stops:** {', '.join(shares)}."


def _advice(status: Mapping[str, Any], metric: Metric) -> str:
    """What the study has found out about its own future."""
    found = []
    if status["edges"]:
        found.append(f"the best trials are all at {describe_edges(status['edges'])}")
    if outlook := status["outlook"]:
        found.append(describe_outlook(outlook, metric))
    return " ".join(map(sentence, found))
