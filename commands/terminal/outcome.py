"""The outcome of a study, as `start` prints it at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from ...search.storage.examples import example, storage_and_artifacts, storage_option
from .confirmation import format_confirmed
from .consoles import out
from .examples import print_next
from .trials.quality import describe_quality
from .trials.table import Curves, print_table
from .values import format_seconds

if TYPE_CHECKING:
    from ...model.evaluation.metrics import Metric

MAX_ROWS = 20  # with more trials, print the best and the latest, half as many each


def print_outcome(
    status: dict[str, Any],
    trials: list[dict[str, Any]],
    storage: str,
    curves: Curves | None = None,
) -> None:
    """Print a study's trials, its best against the baseline, its target, and example commands.

    Args:
        status, trials: as `status --json` and `trials --json` print them.
        curves: of all trials of the study.
    """
    from ...model.evaluation.weighted import find_metric

    metric, best, target = find_metric(status["metric"]), status["best"], status["target"]
    study = ("--study", status["study"])
    study_options = (*study, *storage_option(storage))
    places = storage_and_artifacts(storage)
    list_all = example("trials", *study_options)
    _print_trials(trials, best and best["number"], metric, list_all, curves)
    if best:
        figures = describe_quality(best, metric, status["bias_val_rmse"])
        out.print(f"\nbest: trial {best['number']}, {figures}")
    if confirmed := status["confirmed"]:
        out.print(Text(f"trial {confirmed['number']} leads, {format_confirmed(confirmed)}"))
    if status["edges"]:
        out.print(Text(f"the best trials are all at {describe_edges(status['edges'])}"))
    outlook = status["outlook"]
    if outlook:
        out.print(Text(describe_outlook(outlook, metric)))
    if outlook and outlook["finished"]:
        ended = f"the study ended by itself after {status['done']} of {status['total']} trials"
        ways = ", ".join(_alternatives(status, trials))
        out.print(Text(f"{ended}; what may help instead of more trials: {ways}"))
    if target:
        reached = "reached" if target["reached"] else "not reached"
        aim = f"target {target['condition']}: {reached}. {target['note']}"
        out.print(Text(aim.strip()))
    if status["cost_usd"] is not None:
        cost, hours = status["cost_usd"], status["elapsed_s"] / 3600
        out.print(f"cost: {cost:.2f} USD for {hours:.2f} h and {status['epochs']} epochs")
    commands = []
    is_over = status["budget_spent"] or (target and target["reached"])
    is_finished = outlook and outlook["finished"]
    if status["done"] < status["total"] and not (is_over or is_finished):
        commands.append(example("start", *study, *places))
    if best:
        top = min(3, status["complete"])
        commands.append(example("confirm", "--top", top, "--seeds", 5, *study_options))
        commands.append(example("best", "--export", "config.yaml", *study_options))
        commands.append(example("train", "--config", "config.yaml", "--out", "runs/best"))
    print_next(*commands, example("dashboard", *places))


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


def _print_trials(
    trials: list[dict[str, Any]],
    best: int | None,
    metric: Metric,
    list_all: str,
    curves: Curves | None,
) -> None:
    """Print all trials if there are few, otherwise the best and the latest."""
    if len(trials) <= MAX_ROWS:
        if trials:
            print_table(trials, best=best, curves=curves)
        return
    half = MAX_ROWS // 2
    completed = [trial for trial in trials if trial["state"] == "complete"]
    ranked = sorted(completed, key=lambda trial: (metric.cost(trial["value"]), trial["number"]))
    for title, rows in (("best", ranked[:half]), ("latest", trials[-half:])):
        out.print(f"[bold]{title} {len(rows)} of {len(trials)} trials[/bold]")
        print_table(rows, best=best, curves=curves)
        out.print()
    out.print(Text(f"all trials: {list_all}"), soft_wrap=True)
