"""The comparison as Markdown tables: what is better than what, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from statistics import fmean
from typing import Any

from benchmarks.quality.comparison.figures import (
    HIGHER_IS_BETTER,
    better_over_rows,
    better_over_runs,
    better_over_users,
    is_tie,
    mean_by_split,
)
from benchmarks.quality.comparison.results import Results

Difference = dict[str, Any]  # mean, low, high; positive if the row is better


def compare(
    results: Results, figure: str, reference: str, splits: Sequence[int], overlap: float
) -> list[dict[str, Any]]:
    """The rows that have the figure on all the splits, best first, with their differences.

    Args:
        figure: `rmse` or `ndcg`.
        reference: name of the row that each is compared to.
        splits: their seeds.
        overlap: of the splits, as `mean_interval` takes it.

    Returns:
        Per row: `by_split`, `mean`, and the differences `over_runs` and `over_ratings` to the
        reference and `over_next` to the row below; None where there is nothing to compare. The
        latter two are on the ratings, or the users, of the first split.
    """
    runs = {
        name: [run for run in results.runs(name) if run["split_seed"] in splits]
        for name in results.rows
    }
    means = {name: mean_by_split(each, figure) for name, each in runs.items()}
    sign = -1 if figure in HIGHER_IS_BETTER else 1
    names = [name for name, each in means.items() if each.keys() == set(splits)]
    names.sort(key=lambda name: sign * fmean(means[name].values()))
    compared = []
    for name, below in zip_longest(names, names[1:]):
        interval = None
        if name != reference and reference in names:
            interval = better_over_runs(runs[name], runs[reference], figure, overlap)
        compared.append(
            {
                "row": name,
                "runs": len(runs[name]),
                "cpu_seconds": fmean(run["cpu_seconds"] for run in runs[name]),
                "by_split": means[name],
                "mean": fmean(means[name].values()),
                "over_runs": interval and _difference(*interval),
                "over_ratings": _on_split(results, figure, name, reference, splits[0]),
                "over_next": below and _on_split(results, figure, name, below, splits[0]),
            }
        )
    return compared


def rating_table(rows: Sequence[dict[str, Any]], bias_rmse: float, reference: str) -> str:
    """Rows compared by their RMSE.

    Args:
        bias_rmse: mean RMSE of the bias baseline on the same splits.
    """
    below_biases = {row["row"]: _signed(bias_rmse - row["mean"]) for row in rows}
    return _table(rows, "RMSE", "ratings", reference, below_biases)


def ranking_table(rows: Sequence[dict[str, Any]], reference: str) -> str:
    """Rows compared by their NDCG over the full catalogue."""
    return _table(rows, "NDCG@10", "users", reference, {})


def _on_split(
    results: Results, figure: str, name: str, other: str, split_seed: int
) -> Difference | None:
    if name == other or other not in results.rows:
        return None
    if figure == "rmse":
        errors, others = results.errors(name, split_seed), results.errors(other, split_seed)
        if not errors or not others:
            return None
        gain = better_over_rows(errors, others)
        return _difference(gain.rmse, gain.low, gain.high)
    values = results.per_user(name, split_seed, figure)
    other_values = results.per_user(other, split_seed, figure)
    if not values or not other_values:
        return None
    return _difference(*better_over_users(values, other_values))


def _difference(mean: float, low: float, high: float) -> Difference:
    return {"mean": mean, "low": low, "high": high}


def _table(
    rows: Sequence[dict[str, Any]],
    figure: str,
    unit: str,
    reference: str,
    below_biases: Mapping[str, str],
) -> str:
    if not rows:
        return f"no row has an {figure} on all these splits"
    splits = list(rows[0]["by_split"])
    on_first = f"95% over the {unit} of split {splits[0]}"
    head = [
        "row",
        "runs",
        *(f"{figure}, split {split}" for split in splits),
        "mean",
        *(["below the biases"] if below_biases else []),
        f"better than `{reference}`, 95% over runs",
        f"the same, {on_first}",
        f"better than the next row, {on_first}",
        "CPU s",
    ]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        lines.append(
            [
                f"`{row['row']}`",
                str(row["runs"]),
                *(f"{value:.4f}" for value in row["by_split"].values()),
                f"{row['mean']:.4f}",
                *([below_biases[row["row"]]] if below_biases else []),
                *(_format(row[name]) for name in ("over_runs", "over_ratings", "over_next")),
                f"{row['cpu_seconds']:.0f}",
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _format(difference: Difference | None) -> str:
    if difference is None:
        return "–"
    mean, low, high = (_signed(difference[name]) for name in ("mean", "low", "high"))
    tie = ", tie" if is_tie(difference["low"], difference["high"]) else ""
    return f"{mean} ({low} to {high}){tie}"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")
