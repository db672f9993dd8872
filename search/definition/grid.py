"""The grid of a space: every combination of a few values of each axis that apply together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .space import Space

MAX_GRID_POINTS = 100_000

Point = dict[str, Any]
"""Optuna's parameters of one combination: axis name -> value as Optuna stores it."""


def grid_points(space: Space, per_range: int) -> Iterator[Point]:
    """Every combination, each once; axes whose conditions are not met are left out.

    Args:
        per_range: values of each numeric range; a choice has all of its own.
    """

    def extend(names: list[str], chosen: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if not names:
            yield chosen
            return
        name, *rest = names
        values = axes[name].grid(per_range) if space.applies(name, chosen) else ()
        for value in values:
            yield from extend(rest, {**chosen, name: value})
        if not values:
            yield from extend(rest, chosen)

    axes = space.axes
    for chosen in extend(list(axes), {}):
        yield {name: axes[name].param_of(value) for name, value in chosen.items()}


def grid_size(space: Space, per_range: int) -> int:
    """The number of combinations; only axes that others depend on are enumerated."""
    axes = space.axes
    deciding = {"architecture"}.union(*(axis.when for axis in axes.values()))

    def count(names: list[str], chosen: dict[str, Any]) -> int:
        if not names:
            return 1
        name, *rest = names
        if not space.applies(name, chosen):
            return count(rest, chosen)
        values = axes[name].grid(per_range)
        if name not in deciding:
            return len(values) * count(rest, chosen)
        return sum(count(rest, {**chosen, name: value}) for value in values)

    return count(list(axes), {})


def grid_problem(space: Space, per_range: int) -> str | None:
    """Why the grid cannot be searched; None if it can."""
    if (size := grid_size(space, per_range)) <= MAX_GRID_POINTS:
        return None
    remedy = "lower points, " if per_range > 1 else ""
    return (
        f"the grid has {size:,} points, more than {MAX_GRID_POINTS:,}; {remedy}shorten choices or "
        "remove axes, or use another sampler"
    )
