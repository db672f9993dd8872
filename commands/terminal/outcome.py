"""What a study has come to, as `start` prints it at its end."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from .confirmation import format_confirmed
from .consoles import out
from .examples import example, print_next, storage_option
from .trials import compare_to_baseline, trials_table

MAX_ROWS = 20  # of more trials, only the best half as many and the latest are listed


def print_outcome(status: dict[str, Any], trials: list[dict[str, Any]], storage: str) -> None:
    """A study's trials, its best against the baseline, its target, and what to run next.

    Args:
        status, trials: what `status --json` and `trials --json` print.
    """
    best, target, at = status["best"], status["target"], storage_option(storage)
    study_options = ("--study", status["study"], *at)
    _print_trials(trials, best and best["number"], example("trials", *study_options))
    if best:
        figures = compare_to_baseline(best["val_rmse"], status["bias_val_rmse"])
        out.print(f"\nbest: trial {best['number']}, validation {figures}")
    if confirmed := status["confirmed"]:
        out.print(Text(f"trial {confirmed['number']} leads, {format_confirmed(confirmed)}"))
    if target:
        reached = "reached" if target["reached"] else "not reached"
        aim = f"target {target['condition']}: {reached}. {target['note']}"
        out.print(Text(aim.strip()), soft_wrap=True)
    if status["cost_usd"] is not None:
        cost, hours = status["cost_usd"], status["elapsed_s"] / 3600
        out.print(f"cost: {cost:.2f} USD for {hours:.2f} h and {status['epochs']} epochs")
    commands = []
    over = status["budget_spent"] or (target and target["reached"])
    if status["done"] < status["total"] and not over:
        commands.append(example("start", *study_options))
    if best:
        commands.append(example("confirm", "--top", 3, "--seeds", 5, *study_options))
        commands.append(example("best", "--export", "config.yaml", *study_options))
        commands.append(example("train", "--config", "config.yaml", "--out", "runs/best"))
    print_next(*commands, example("dashboard", *at))


def _print_trials(trials: list[dict[str, Any]], best: int | None, list_all: str) -> None:
    """All trials where they are few, else the best and the latest of them."""
    if len(trials) <= MAX_ROWS:
        if trials:
            out.print(trials_table(trials, best=best))
        return
    half = MAX_ROWS // 2
    completed = [trial for trial in trials if trial["state"] == "complete"]
    ranked = sorted(completed, key=lambda trial: (trial["val_rmse"], trial["number"]))
    for title, rows in (("best", ranked[:half]), ("latest", trials[-half:])):
        out.print(f"[bold]{title} {len(rows)} of {len(trials)} trials[/bold]")
        out.print(trials_table(rows, best=best))
        out.print()
    out.print(Text(f"all of them: {list_all}"), soft_wrap=True)
