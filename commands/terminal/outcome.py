"""The outcome of a study, as `start` prints it at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from ...search.results.sentences import describe_study, next_commands
from ...search.storage.examples import example, storage_option
from .consoles import out
from .examples import print_next
from .trials.table import Curves, print_table

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

    best = status["confirmed"] or status["best"]
    list_all = example("trials", "--study", status["study"], *storage_option(storage))
    _print_trials(trials, best and best["number"], find_metric(status["metric"]), list_all, curves)
    if lines := describe_study(status, trials):
        out.print()
    for line in lines:
        out.print(Text(line))
    print_next(*next_commands(status, storage))


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
