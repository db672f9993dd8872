"""What a study found, in sentences: for the terminal, notes, messages and reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...base.messages import format_seconds
from ...model.evaluation.sentences import describe_quality
from ..storage.examples import example, storage_and_artifacts, storage_option

if TYPE_CHECKING:
    from ...model.evaluation.metrics import Metric


def describe_study(status: dict[str, Any], trials: list[dict[str, Any]]) -> list[str]:
    """The study's best trial against the baseline, its outlook and its target; a sentence a line.

    Args:
        status, trials: as `status --json` and `trials --json` print them.
    """
    from ...model.evaluation.weighted import find_metric

    metric, best, target = find_metric(status["metric"]), status["best"], status["target"]
    lines = []
    if best:
        figures = describe_quality(best, metric, status["bias_val_rmse"])
        lines.append(f"best: trial {best['number']}, {figures}")
    if confirmed := status["confirmed"]:
        leader = describe_confirmed(confirmed, metric)
        lines.append(f"trial {confirmed['number']} leads, {leader}")
    if status["edges"]:
        lines.append(f"the best trials are all at {describe_edges(status['edges'])}")
    outlook = status["outlook"]
    if outlook:
        lines.append(describe_outlook(outlook, metric))
    if outlook and outlook["finished"]:
        ended = f"the study ended by itself after {status['done']} of {status['total']} trials"
        ways = ", ".join(_alternatives(status, trials))
        lines.append(f"{ended}; what may help instead of more trials: {ways}")
    if target:
        lines.append(f"target {describe_target(target)}")
    if status["cost_usd"] is not None:
        cost, hours = status["cost_usd"], status["elapsed_s"] / 3600
        lines.append(f"cost: {cost:.2f} USD for {hours:.2f} h and {status['epochs']} epochs")
    return lines


def next_commands(status: Mapping[str, Any], storage: str) -> list[str]:
    """Example commands for the study's next steps.

    Args:
        status: as `status --json` prints it.
        storage: its URL.
    """
    study = ("--study", status["study"])
    study_options = (*study, *storage_option(storage))
    places = storage_and_artifacts(storage)
    target, outlook = status["target"], status["outlook"]
    commands = []
    is_over = status["budget_spent"] or (target and target["reached"])
    is_finished = outlook and outlook["finished"]
    if status["done"] < status["total"] and not (is_over or is_finished):
        commands.append(example("start", *study, *places))
    if status["best"]:
        top = min(3, status["complete"])
        commands.append(example("confirm", "--top", top, "--seeds", 5, *study_options))
        commands.append(example("best", "--export", "config.yaml", *study_options))
        commands.append(example("train", "--config", "config.yaml", "--out", "runs/best"))
    return [*commands, example("dashboard", *places)]


def describe_outlook(outlook: dict[str, Any], metric: Metric) -> str:
    """What the remaining trials would bring and cost, as `status --json` has it."""
    mean, sd, wanted = (
        metric.format(outlook[name], outlook["star"]) for name in ("mean", "sd", "wanted")
    )
    cost = f"{outlook['epochs']} epochs, {format_seconds(outlook['seconds'])}"
    if outlook["usd"] is not None:
        cost += f", {outlook['usd']:.2f} USD"
    return (
        f"the remaining {outlook['trials']} trials ({cost}) are expected to improve "
        f"{metric.label} by {mean} ± {sd}; the chance of more than {wanted} is "
        f"{100 * outlook['chance']:.1f}%"
    )


def _alternatives(status: dict[str, Any], trials: list[dict[str, Any]]) -> list[str]:
    """What a study that has ended by itself leaves to try, in the order of what it costs."""
    from ...model.architectures.table import architecture_names

    ways = [] if status["confirmed"] else ["confirming the best trials (seeds differ)"]
    ways.append("an ensemble of the best trials")
    ways += [f"a wider {edge['axis']}" for edge in status["edges"]]
    tried = {trial["architecture"] for trial in trials}
    baseline = {"biases"}
    untried = [name for name in architecture_names() if name not in tried | baseline]
    if untried:
        ways.append(f"another architecture ({' or '.join(untried)})")
    return ways


def describe_edges(edges: list[dict[str, Any]]) -> str:
    """The ends of axes at which the best trials are, as `status --json` has them."""
    ends = (f"the {edge['end']} end of {edge['axis']} ({edge['values']})" for edge in edges)
    return f"{', '.join(ends)}: a wider axis may have better ones"


def describe_trial(record: Mapping[str, Any], metric: Metric, bias_val_rmse: float | None) -> str:
    """A trial's figures compared to the bias baseline.

    Args:
        record: as `trials --json` prints it, of a trial with a value.
    """
    values = {**record, **record["parts"], metric.name: record["value"]}
    return describe_quality(values, metric, bias_val_rmse)


def describe_target(target: dict[str, Any]) -> str:
    """A target and whether it is reached, as `status --json` has it."""
    reached = "reached" if target["reached"] else "not reached"
    return f"{target['condition']}: {reached}. {target['note']}".strip()


def describe_confirmed(confirmed: Mapping[str, Any], metric: Metric) -> str:
    """A mean with its interval, and what it was taken over."""
    over = "seeds and splits" if confirmed["splits"] > 1 else "seeds, all on the search's own split"
    figures = format_interval(confirmed, metric)
    text = f"confirmed over {confirmed['seeds']} {over}: {figures}"
    known = confirmed["against"]
    return f"{text}; {_describe_advantage(known, metric)}" if known else text


def _describe_advantage(known: Mapping[str, Any], metric: Metric) -> str:
    """How far a trial is ahead of a known config."""
    if known["mean"] is None:
        return f"this is the known config {known['name']}: the search found none that is better"
    is_better, is_tie = known["mean"] >= 0, known["low"] <= 0 <= known["high"]
    distance = known
    if not is_better:
        distance = {"mean": -known["mean"], "low": -known["high"], "high": -known["low"]}
    side = "better" if is_better else "worse"
    by = format_interval(distance, metric)
    return f"{side} than {known['name']} (trial {known['trial']}) by {by}" + ", a tie" * is_tie


def format_interval(interval: Mapping[str, Any], metric: Metric) -> str:
    """A mean and its 95% interval, such as `0.7623 [0.7612, 0.7634]`."""
    return f"{metric.format(interval['mean'])} {format_bounds(interval, metric)}"


def format_bounds(interval: Mapping[str, Any], metric: Metric) -> str:
    """The ends of an interval, such as `[0.7612, 0.7634]`."""
    return f"[{metric.format(interval['low'])}, {metric.format(interval['high'])}]"


def format_share(share: Mapping[str, Any] | None) -> str:
    """A share and its 95% interval in percent, such as `40% (31% to 48%)`; a dash for None."""
    if share is None:
        return "-"
    return f"{share['mean']:.0%} ({share['low']:.0%} to {share['high']:.0%})"
