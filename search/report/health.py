"""What a report says about how a study ran: its workers, its health, and where it ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ...data.splits.ledger import Ledger
from ...data.splits.methods import METHODS
from ...data.splits.split import fingerprint_of_split
from ..figures.timeline import idle_share, lanes
from ..results.study_data import StudyData, TrialData
from ..storage.urls import redact

MAX_LISTED = 20  # of warnings, failures and openings


def workers(study: StudyData) -> dict[str, Any]:
    """How many workers ran the study, where, how busy they were, and what failed."""
    failed = [each for each in study.trials if each.record["state"] in ("failed", "interrupted")]
    return {
        "lanes": len(lanes(study.trials)),
        "hosts": sorted({each.worker[0] for each in study.trials if each.worker}),
        "idle": f"{idle_share(study):.0%}",
        "failures": _listed(failed),
    }


def health(study: StudyData) -> dict[str, Any]:
    """Warnings, second chances, configs beyond the limits, and what other seeds contradict."""
    records = [each.record for each in study.trials]
    again = [each for each in study.trials if each.record["second_chance"]]
    warned = [each for each in study.trials if each.record["warning"]]
    return {
        "warnings": [
            f"trial {each.number}: {each.record['warning']}" for each in warned[:MAX_LISTED]
        ],
        "n_warnings": len(warned),
        "beyond_limits": sum(record["stop_reason"] == "known-limit" for record in records),
        "second_chances": [
            f"trial {each.number}: {each.record['second_chance']}" for each in again[:MAX_LISTED]
        ],
        "n_second_chances": len(again),
        "disagreements": _disagreements(study),
    }


def provenance(study: StudyData) -> dict[str, str]:
    """Versions and machines, each value with how many trials ran with it if there are several."""
    found: dict[str, str] = {"storage": redact(study.url)}
    n_trials = len(study.trials)
    names = dict.fromkeys(name for each in study.trials for name in each.environment)
    for name in names:
        counts = Counter(
            str(each.environment.get(name, "?")) for each in study.trials
        ).most_common()
        found[name] = (
            counts[0][0]
            if len(counts) == 1
            else ", ".join(f"{value} ({n} of {n_trials} trials)" for value, n in counts)
        )
    found["test split"] = _describe_openings(study)
    return found


def _disagreements(study: StudyData) -> list[str]:
    """Where other seeds contradict the search."""
    found = [
        f"trial {row['number']} diverged with seed {row['diverged_with_seed']}"
        for row in study.confirmation
        if row["diverged_with_seed"] is not None
    ]
    summary = study.status["best"]
    if study.best and summary and study.best.number != summary["number"]:
        found.append(
            f"the search's best was trial {summary['number']}; with other seeds trial "
            f"{study.best.number} leads"
        )
    ties = [row["number"] for row in study.confirmation if row["tie"]]
    if ties:
        numbers = ", ".join(map(str, ties))
        found.append(f"with other seeds, tied with the leader: trial {numbers}")
    return found


def _describe_openings(study: StudyData) -> str:
    """Who has opened the test split on this machine, and when."""
    split = study.spec.split
    if METHODS[split.method].files:
        return "its openings are recorded with the fold's files; see recsys-search evaluate"
    openings = Ledger().openings(fingerprint_of_split(study.fingerprint, split))
    if not openings:
        return "never opened on this machine"
    listed = ", ".join(
        f"{each.opened_at} by {each.command} ({each.architecture})"
        for each in openings[:MAX_LISTED]
    )
    times = "once" if len(openings) == 1 else f"{len(openings)} times"
    return f"opened {times} on this machine: {listed}"


def _listed(trials: Iterable[TrialData]) -> list[str]:
    lines = [f"trial {each.number} {each.ending}: {each.record['reason']}" for each in trials]
    more = len(lines) - MAX_LISTED
    return [*lines[:MAX_LISTED], *([f"and {more} more"] if more > 0 else [])]
