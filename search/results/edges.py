"""Axes at whose end all of the best trials are: what lies beyond may be better still."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from ..definition.space import Space

N_BEST = 5  # trials that must agree; random ones do on one range in a million


def edges(space: Space, ranked: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    """The axes, each with `axis`, `end` (low or high) and `values`, the axis's description.

    Args:
        ranked: completed trials, best first; with fewer than `N_BEST`, there are no edges.
    """
    best = ranked[:N_BEST]
    found = []
    for name, axis in space.axes.items():
        values = [axis.value_of(trial.params[name]) for trial in best if name in trial.params]
        ends = set(map(axis.end_of, values))
        if len(values) == N_BEST and len(ends) == 1 and None not in ends:
            found.append({"axis": name, "end": ends.pop(), "values": str(axis)})
    return found
