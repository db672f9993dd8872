"""What a report says about a study, as plain values for its templates."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ...base.yaml_file import dump_yaml
from ...errors import NothingYet
from ..definition.axes import shown
from ..definition.study_file import spec_to_json
from ..results.importance import importance_of
from ..results.sentences import describe_target, format_interval, next_commands
from ..results.study_data import StudyData, TrialData
from ..storage.examples import example, storage_and_artifacts, storage_option
from .audit import (
    Audited,
    changed_outcome,
    describe_result,
    forecasts,
    n_within,
    savings,
    share_interval,
    stopped_trials,
)
from .health import health, provenance, workers
from .verdict import verdict


def facts_of(study: StudyData) -> dict[str, Any]:
    """All that a report says, by section."""
    return {
        "study": study.spec.name,
        "metric": study.metric,
        "made_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "verdict": verdict(study),
        "data": _data(study),
        "goal": _goal(study),
        "commands": commands(study),
        "config": _winner_config(study),
        "study_file": dump_yaml(json.loads(spec_to_json(study.spec))),
        "trials": [_row(study, each) for each in study.trials],
        "best": study.best.number if study.best else None,
        "confirmation": _confirmation(study),
        "importance": importance_or_none(study),
        "edges": study.status["edges"],
        "workers": workers(study),
        "audit": _audit(study),
        "health": health(study),
        "provenance": provenance(study),
    }


def commands(study: StudyData) -> dict[str, Any]:
    """Example commands: `winner`, `config`, `search` and `dashboard`; and `go_on`, a list."""
    option = ("--study", study.spec.name, *storage_option(study.url))
    train = example("train", "--config", "config.yaml", "--out", "runs/best")
    # In another storage: where this study is, `start` would find it done.
    again = ("--dataset", study.spec.dataset, "--storage", "sqlite:///again.db")
    return {
        "winner": f"{example('best', '--export', 'config.yaml', *option)} && {train}",
        "config": train,
        "search": example("start", "--study", "study.yaml", *again),
        "dashboard": example("dashboard", *storage_and_artifacts(study.url)),
        "go_on": next_commands(study.status, study.url)[:-1],
    }


def repeat_command(study: StudyData, number: int | str) -> str:
    """The command that trains one trial again."""
    option = ("--study", study.spec.name, *storage_option(study.url))
    file = f"trial-{number}.yaml"
    export = example("best", "--trial", number, "--export", file, *option)
    return f"{export} && {example('train', '--config', file)}"


def _data(study: StudyData) -> dict[str, str]:
    split = study.spec.split
    seed = f", seed {split.seed}" if split.is_random else ""
    return {
        "dataset": study.spec.dataset,
        "fingerprint of the ratings": study.fingerprint,
        "split": f"{split}{seed}",
    }


def _goal(study: StudyData) -> dict[str, str]:
    target = study.status["target"]
    goal = {"metric": f"{study.metric.name}, {study.metric.direction}d"}
    if target:
        goal["target"] = describe_target(target)
    return goal


def _winner_config(study: StudyData) -> str | None:
    """What `train --config` takes, without the figures; None without a winner."""
    if study.best is None:
        return None
    split = study.spec.split.to_mapping()
    data = {
        "dataset": study.spec.dataset,
        **({"columns": dict(study.spec.columns)} if study.spec.columns else {}),
        **({"duplicates": study.spec.duplicates} if study.spec.duplicates != "error" else {}),
        "fingerprint": study.fingerprint,
        "split": split,
    }
    metric = {} if study.metric.name == "val_rmse" else {"metric": study.metric.name}
    return dump_yaml({"config": dict(study.best.config), "data": data, **metric})


def _row(study: StudyData, trial: TrialData) -> dict[str, Any]:
    record = trial.record
    value = record["value"]
    return {
        "number": trial.number,
        "ending": trial.ending,
        "state": record["state"],
        "value": None if value is None else study.metric.format(value),
        "epochs": record["epochs"],
        "seconds": None if record["train_s"] is None else f"{record['train_s']:.1f}",
        "architecture": record["architecture"] or "",
        "reason": record["reason"] or "",
        "params": ", ".join(
            f"{name.rsplit('.', 1)[-1]} {_short(param)}"
            for name, param in trial.params.items()
            if name != "architecture"
        ),
    }


def _confirmation(study: StudyData) -> list[dict[str, Any]]:
    rows = []
    for row in study.confirmation:
        known = row["mean"] is not None
        rows.append(
            {
                "number": row["number"],
                "architecture": row["architecture"],
                "value": study.metric.format(row["value"]),
                "mean": format_interval(row, study.metric) if known else "",
                "behind": format_interval(row["behind"], study.metric) if row["behind"] else "",
                "tie": bool(row["tie"]),
                "diverged": row["diverged_with_seed"],
            }
        )
    return rows


def importance_or_none(study: StudyData) -> dict[str, Any] | None:
    """As `importance --json` prints it; None with too few trials."""
    try:
        return importance_of(study)
    except NothingYet:
        return None


def _audit(study: StudyData) -> dict[str, Any]:
    results = Audited.of(study.attrs)
    by_number = {each.number: each for each in stopped_trials(study)}
    # Others were removed, or continued by a later trial.
    results = {number: each for number, each in results.items() if number in by_number}
    changed = changed_outcome(study, results)
    audited = None
    if results:
        low, high = share_interval(len(changed), len(results))
        expected = forecasts(study)
        within, n_expected = n_within(results, expected)
        audited = {
            "n": len(results),
            "of": len(by_number),
            "changed": changed,
            "low": f"{low:.0%}",
            "high": f"{high:.0%}",
            "within": within,
            "n_expected": n_expected,
            "lines": [
                describe_result(by_number[number], each, study.metric, expected.get(number))
                for number, each in sorted(results.items())
            ],
        }
    option = ("--study", study.spec.name, *storage_and_artifacts(study.url))
    return {
        "savings": savings(study),
        "share": study.status["epochs_saved"],
        "sample": audited,
        "command": example("report", "--audit", 10, *option),
    }


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else shown(value)
