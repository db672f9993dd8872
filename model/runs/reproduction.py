"""Whether a training reproduced the figure that its config records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.weighted import find_metric
from ..training.reports import EpochReport, best_report
from .experiment import Experiment


def compare_to_record(
    experiment: Experiment, reports: Sequence[EpochReport], environment: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The recorded figure of an experiment, and that of its new training.

    A pruner may have ended the recorded training early, so both figures are those of the best epoch
    among the first `epochs`.

    Args:
        experiment: as it was before the new training.
        reports: of the new training, which was not interrupted.
        environment: of the new training.

    Returns:
        `expected`, `got`, `difference` (got minus expected, in units of the metric), `epochs` that
        are compared, `more_epochs` of the new training, and `differs`: the parts of the environment
        that differ from the recorded one, each with `was` and `is`. None if the experiment records
        no figure or no environment.
    """
    expected = experiment.metrics.get(experiment.metric)
    # A trial that reuses the result of another has no epochs of its own.
    epochs = experiment.metrics.get("epochs") or experiment.metrics.get("best_epoch")
    before = experiment.environment
    if not (before and isinstance(expected, float | int) and isinstance(epochs, int)):
        return None
    metric = find_metric(experiment.metric)
    best = best_report(reports[:epochs], metric)
    if best is None:
        return None
    got = metric.of(best)
    return {
        "expected": expected,
        "got": got,
        "difference": got - expected,
        "epochs": epochs,
        "more_epochs": max(0, len(reports) - epochs),
        "differs": {
            name: {"was": before[name], "is": value}
            for name, value in environment.items()
            if name in before and before[name] != value
        },
    }


def describe_reproduction(metric_name: str, reproduced: Mapping[str, Any]) -> str:
    """A sentence about what `compare_to_record` returned."""
    metric = find_metric(metric_name)
    expected, difference = reproduced["expected"], reproduced["difference"]
    figure = f"{metric.label} {metric.format(reproduced['got'])}"
    epochs = f"in {reproduced['epochs']} epoch{'s' if reproduced['epochs'] > 1 else ''}"
    if more := reproduced["more_epochs"]:
        epochs += f" (this run went on for {more} more)"
    if difference == 0:
        return f"reproduced: {figure} {epochs}, exactly as the config records"
    distance = metric.format(abs(difference))
    if float(distance) == 0:
        distance = f"{abs(difference):.1g}"
    side = "above" if difference > 0 else "below"
    return (
        f"not reproduced: {figure} {epochs}, {distance} {side} the {metric.format(expected)} that "
        f"the config records; {_describe_cause(reproduced['differs'])}"
    )


def _describe_cause(differs: Mapping[str, Any]) -> str:
    if not differs:
        return (
            "versions, commit, machine, device, precision and threads are the same, so the cause "
            "is something that is not recorded, such as the model of CPU or GPU, or uncommitted "
            "changes"
        )
    values = (f"{name} {value['is']}, was {value['was']}" for name, value in differs.items())
    return f"what differs: {'; '.join(values)}"
