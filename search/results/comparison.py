"""Two trials of a study: the hyperparameters that differ, and their figures."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from ...model.evaluation.weighted import find_metric
from ...model.training.reports import EpochReport, best_report

_MISSING = object()


def compare_trials(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """What differs between two trials, as `compare --json` prints it.

    Args:
        first, second: as `StudyReader.show` returns them.

    Returns:
        trials: both records, without their configs.
        figures: name -> the figure of each, and the second's minus the first's.
        differ: hyperparameter -> its value in each config; null where a config has none.
        agree: how many hyperparameters have the same value.
    """
    figures = [_figures(trial) for trial in (first, second)]
    configs = [trial["config"] or {} for trial in (first, second)]
    fields = list(dict.fromkeys(name for config in configs for name in config))
    differ = [name for name in fields if len({str(c.get(name, _MISSING)) for c in configs}) > 1]
    return {
        "trials": [_record(trial) for trial in (first, second)],
        "figures": {
            name: [*pair, _difference(*pair)]
            for name in dict.fromkeys((*max(figures, key=len), *min(figures, key=len)))
            for pair in [[each.get(name) for each in figures]]
        },
        "differ": {name: [config.get(name) for config in configs] for name in differ},
        "agree": len(fields) - len(differ),
    }


def _record(trial: Mapping[str, Any]) -> dict[str, Any]:
    left_out = ("config", "environment", "reports", "bias_val_rmse")
    return {name: value for name, value in trial.items() if name not in left_out}


def _figures(trial: Mapping[str, Any]) -> dict[str, float | None]:
    """The trial's figures, those of an epoch in its best epoch."""
    metric = find_metric(trial["metric"])
    reports: list[EpochReport] = trial["reports"]
    figures = {
        metric.name: trial["value"],
        **trial["parts"],
        **{name: trial[name] for name in ("val_rmse", "val_mse")},
    }
    if best := best_report(reports, metric):
        figures |= {
            "train_rmse": best.train_rmse,
            "gap": best.train_gap,
            "kl": best.kl if best.active_units else None,
            **{f"active_units_{tower}": n for tower, n in best.active_units.items()},
        }
    costs = {name: trial[name] for name in ("epochs", "best_epoch", "train_s", "params")}
    return {**figures, **costs}


def _difference(first: float | None, second: float | None) -> float | None:
    if first is None or second is None or not isfinite(first) or not isfinite(second):
        return None
    return second - first
