"""The comparison as Markdown tables: what is better than what, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from comparison.figures import (
    HIGHER_IS_BETTER,
    better_over_rows,
    better_over_runs,
    better_over_users,
    is_tie,
    mean_by_split,
)
from comparison.results import Results

Difference = dict[str, Any]  # mean, low, high; positive if the row is better


def compare(results: Results, figure: str, reference: str, overlap: float) -> list[dict[str, Any]]:
    """The rows that have the figure on all splits, best first, with their differences.

    Args:
        figure: `rmse` or `ndcg`.
        reference: name of the row that each is compared to.
        overlap: of the splits, as `mean_interval` takes it.

    Returns:
        Per row: `by_split`, `mean`, and the differences `over_runs` and `over_ratings` to the
        reference and `over_next` to the row below; None where there is nothing to compare. The
        latter two are on the ratings, or the users, of the first split.
    """
    means = {name: mean_by_split(results.runs(name), figure) for name in results.rows}
    splits = sorted({split for each in means.values() for split in each})
    sign = -1 if figure in HIGHER_IS_BETTER else 1
    names = [name for name, each in means.items() if list(each) == splits and splits]
    names.sort(key=lambda name: sign * fmean(means[name].values()))
    compared = []
    for at, name in enumerate(names):
        below = names[at + 1] if at + 1 < len(names) else None
        over_runs = None
        if reference in results.rows and name != reference:
            interval = better_over_runs(
                results.runs(name), results.runs(reference), figure, overlap
            )
            over_runs = interval and _difference(*interval)
        compared.append(
            {
                "row": name,
                "by_split": means[name],
                "mean": fmean(means[name].values()),
                "over_runs": over_runs,
                "over_ratings": _on_split(results, figure, name, reference, splits[0]),
                "over_next": below and _on_split(results, figure, name, below, splits[0]),
            }
        )
    return compared


def rating_table(results: Results, reference: str, overlap: float) -> str:
    """The rows that predict ratings, the one with the lowest mean RMSE first."""
    rows = compare(results, "rmse", reference, overlap)
    return _table(results, rows, "RMSE", "ratings", reference, _below_biases)


def ranking_table(results: Results, reference: str, overlap: float) -> str:
    """The rows that rank, the one with the highest mean NDCG first."""
    rows = compare(results, "ndcg", reference, overlap)
    return _table(results, rows, "NDCG@10", "users", reference, None)


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
    results: Results,
    rows: Sequence[dict[str, Any]],
    figure: str,
    unit: str,
    reference: str,
    extra: Callable[[Results, str], str] | None,
) -> str:
    if not rows:
        return f"(no row has an {figure} on all splits)"
    splits = list(rows[0]["by_split"])
    head = [
        "",
        "runs",
        *(f"{figure}, split {split}" for split in splits),
        "mean",
        *(["below the biases"] if extra else []),
        f"better than `{reference}`, over runs",
        f"the same, over the {unit} of split {splits[0]}",
        "better than the next row, likewise",
        "s",
    ]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        runs = results.runs(row["row"])
        lines.append(
            [
                f"`{row['row']}`",
                str(len(runs)),
                *(f"{value:.4f}" for value in row["by_split"].values()),
                f"{row['mean']:.4f}",
                *([extra(results, row["row"])] if extra else []),
                *(_format(row[name]) for name in ("over_runs", "over_ratings", "over_next")),
                f"{fmean(run['cpu_seconds'] for run in runs):.0f}",
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _below_biases(results: Results, name: str) -> str:
    return f"{fmean(mean_by_split(results.runs(name), 'below_biases').values()):.4f}"


def _format(difference: Difference | None) -> str:
    if difference is None:
        return "–"
    mean, low, high = (f"{difference[name]:+.4f}" for name in ("mean", "low", "high"))
    tie = ", tie" if is_tie(difference["low"], difference["high"]) else ""
    return f"{mean} ({low} to {high}){tie}".replace("-", "−")
