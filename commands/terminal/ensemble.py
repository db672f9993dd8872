"""What `ensemble` prints: the members, their weights, and the gain over the best of them."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from ...model.evaluation.sentences import compare_to_baseline
from ...search.storage.examples import example
from .consoles import out
from .examples import print_next
from .values import number


def print_ensemble(result: dict[str, Any]) -> None:
    """Print an ensemble. Args: result: as `ensemble --json` prints it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("member", "architecture"):
        table.add_column(name, no_wrap=True)
    for name in ("val_rmse", "weight"):
        table.add_column(name, justify="right", no_wrap=True)
    for member in result["members"]:
        run = Text(member["run"])
        weight = number(member["weight"], 2)
        table.add_row(run, member["architecture"], number(member["val_rmse"]), weight)
    out.print(table)
    out.print()
    for line in (*_figures(result), describe_gain(result)):
        out.print(Text(line), soft_wrap=True)
    print_next(
        example("evaluate", result["run"]),
        example("predict", result["run"], "pairs.csv", "--out", "predicted.csv"),
    )


def _figures(result: dict[str, Any]) -> list[str]:
    figures = compare_to_baseline(result["val_rmse"], result["bias_val_rmse"])
    if result["weighting"] == "equal":
        other = f"with greedy weights, cross-fitted: {result['greedy_val_rmse']:.4f}"
        return [f"{result['run']}: equal weights, {figures}", other]
    return [
        f"{result['run']}: greedy weights, {figures}",
        "cross-fitted: each rating is predicted with weights that were fitted without it; on the "
        f"ratings that the weights were fitted on, it is {result['in_sample_val_rmse']:.4f}",
        f"with equal weights: {result['equal_val_rmse']:.4f}",
    ]


def describe_gain(result: dict[str, Any]) -> str:
    """A sentence on how far the ensemble is from its best member."""
    if all(member["weight"] in (0, 1) for member in result["members"]):
        return f"this is {result['best_member']} alone: no other member lowers its RMSE"
    gain = result["gain"]
    low, high = (round(gain[end], 4) + 0.0 for end in ("low", "high"))  # without a minus before 0
    distance = f"{abs(gain['rmse']):.4f}"
    side = f"{distance} below" if gain["rmse"] > 0 else f"{distance} worse than"
    return (
        f"{side if float(distance) else 'equal to'} its best member, {result['best_member']} "
        f"({result['best_member_val_rmse']:.4f}); 95% interval of the gain "
        f"[{low:.4f}, {high:.4f}], from the paired differences of squared errors "
        f"over {result['n']:,} validation ratings"
    )
