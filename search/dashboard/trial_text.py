"""What the note of a trial says: why it ended, its figures, and its config to copy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from ...base.markdown import sentence, two_columns
from ...base.messages import format_seconds
from ...base.yaml_file import dump_yaml
from ...model.evaluation.metrics import Metric
from ...model.evaluation.weighted import find_metric
from ..storage.examples import example

# Keys of a record that name another trial, and what that trial is to this one.
_RELATIVES = {
    "retry_of": "retries trial {}",
    "continues": "continues trial {}",
    "contingency_of": "follows trial {}, which failed on its own settings",
    "second_chance": "a second chance: {}",
    "same_as": "has the config of trial {}, whose result it reuses",
    "resumed_from_epoch": "resumed from the checkpoint of epoch {}",
    "known_config": "the known config {}",
}


def trial_text(
    record: Mapping[str, Any],
    config: Mapping[str, Any] | None,
    metric: Metric,
    study: str,
    bias_val_rmse: float | None,
) -> str:
    """The note of an ended trial, in Markdown.

    Args:
        record: the trial as `trials --json` prints it.
        config: None if it never started.
        bias_val_rmse: of the bias baseline, if it is known.
    """
    stop = record["stop_reason"]
    cause = f" ({stop})" if stop and stop != record["state"] else ""
    notes = [
        text.format(record[key]) for key, text in _RELATIVES.items() if record[key] is not None
    ]
    paragraphs = [
        f"## Trial {record['number']}: {record['state']}{cause}",
        sentence(record["reason"]),
        sentence(record["warning"]),
        two_columns(_figures(record, metric, bias_val_rmse)),
        sentence("; ".join(notes)),
    ]
    if config:
        export = ("best", "--trial", record["number"], "--export", "config.yaml", "--study", study)
        paragraphs += [
            f"Config, which `{example(*export)}` writes to a file for `train`:",
            f"```yaml\n{_config_yaml(config)}```",
        ]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _figures(
    record: Mapping[str, Any], metric: Metric, bias_val_rmse: float | None
) -> dict[str, str]:
    """The rows of the table: names and figures; those that the trial has."""
    names = dict.fromkeys((metric.name, *metric.parts, "val_rmse", "val_mse"))
    values = {metric.name: record["value"], **record["parts"]}
    values |= {name: record[name] for name in ("val_rmse", "val_mse")}
    rows = {
        each.label: each.format(values[each.name])
        for each in map(find_metric, names)
        if values[each.name] is not None
    }
    if bias_val_rmse is not None and rows:
        rows["bias baseline's validation RMSE"] = f"{bias_val_rmse:.4f}"
    epochs = f"{record['epochs']}"
    if record["best_epoch"]:
        epochs += f", the best was epoch {record['best_epoch']}"
    rows["epochs"] = epochs
    if record["train_s"] is not None:
        rows["training time"] = format_seconds(record["train_s"])
    if record["params"] is not None:
        rows["parameters"] = f"{record['params']:,}"
    return rows


def _config_yaml(config: Mapping[str, Any]) -> str:
    return "".join(_yaml_lines(config.items()))


def _yaml_lines(items: Iterable[tuple[str, Any]]) -> Iterable[str]:
    """One entry after the other, each as `dump_yaml` writes it.

    YAML of thousands of configs takes seconds, but they share most of their entries.
    """
    for name, value in items:
        # A plain float is the same in YAML; one with an exponent, or nan, is not.
        if (
            isinstance(value, float)
            and (text := repr(value)).replace("-", "").replace(".", "").isdecimal()
        ):
            yield f"{name}: {text}\n"
        else:
            yield _yaml_entry(name, json.dumps(value))


@cache
def _yaml_entry(name: str, value: str) -> str:
    return dump_yaml({name: json.loads(value)})
