"""What `confirm` found: the ranking, and whether the best trial is confirmed."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from .consoles import out
from .examples import example
from .values import number


def print_confirmation(rows: list[dict[str, Any]]) -> None:
    """The ranking, and what it tells of the search's own value.

    Args:
        rows: what `confirm --json` prints.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("trial", no_wrap=True)
    table.add_column("architecture", no_wrap=True)
    for name in ("val_rmse", "mean", "95% interval", "behind the leader"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        if row["diverged_with_seed"] is not None:
            says = f"not confirmed: diverged with seed {row['diverged_with_seed']}"
        else:
            says = "tie" if row["tie"] else ""
        behind = row["behind"]
        table.add_row(
            str(row["number"]),
            row["architecture"],
            number(row["val_rmse"]),
            number(row["mean"]),
            Text(_bounds(row) if row["mean"] is not None else ""),
            Text(f"{behind['mean']:.4f} {_bounds(behind)}" if behind else ""),
            says,
        )
    out.print(table)
    leader = rows[0]
    if leader["mean"] is not None:
        out.print(Text(f"\ntrial {leader['number']} leads, {format_confirmed(leader)}"))
        out.print(Text(_describe_optimism(leader)), soft_wrap=True)


def format_confirmed(confirmed: dict[str, Any]) -> Text:
    """A mean with its interval, and over what it was taken."""
    over = "seeds and cuts" if confirmed["cuts"] > 1 else "seeds, all on the search's own cut"
    figures = f"{confirmed['mean']:.4f} {_bounds(confirmed)}"
    return Text(f"confirmed over {confirmed['seeds']} {over}: {figures}")


def format_best(best: dict[str, Any], below: dict[str, Any] | None, *of_study: str) -> Text:
    """Whether the best trial is confirmed.

    Args:
        best: what `best --json` prints.
        below: a trial that is not confirmed, and that the search saw below the best one.
        of_study: options for the line to type next.
    """
    line = example("confirm", *of_study)
    if not best["confirmed"]:
        seed = best["diverged_with_seed"]
        why = f"it diverged with seed {seed}; confirm others: " if seed is not None else ""
        return Text(f"not confirmed: {why}{line}")
    told = format_confirmed(best["confirmed"])
    if below:
        told.append(
            f"\ntrial {below['number']} came to {below['val_rmse']:.4f} in the search, below this "
            f"one's {best['val_rmse']:.4f}, and is not confirmed: {line}"
        )
    return told


def _describe_optimism(leader: dict[str, Any]) -> str:
    gap = leader["mean"] - leader["val_rmse"]
    told = (
        f"the search's own {leader['val_rmse']:.4f} was picked for being low, which makes such a "
        "value optimistic"
    )
    if gap >= 0:
        return f"{told}: the mean is {gap:.4f} above it"
    by = "cuts and seeds" if leader["cuts"] > 1 else "seeds"
    return f"{told}; yet here the mean is {-gap:.4f} below it: {by} differ by more than that"


def _bounds(interval: dict[str, Any]) -> str:
    return f"[{interval['low']:.4f}, {interval['high']:.4f}]"
