"""Curves of a metric by epoch as a few characters, comparable between the trials of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from ....model.evaluation.metrics import Metric

BLOCKS = "▁▂▃▄▅▆▇█"
NOT_FINITE = "×"
CLIPPED = 0.25  # share of the worst values that do not widen the scale, such as of first epochs

Curve = Mapping[int, float]
"""epoch -> the metric's value."""


@dataclass(frozen=True)
class Scale:
    """The values at the lowest and the highest block; values beyond them are clipped."""

    low: float
    high: float

    @classmethod
    def of(cls, curves: Iterable[Curve], metric: Metric) -> Self:
        """The scale of several curves: from the best value to what most values are better than."""
        values = [value for curve in curves for value in curve.values() if isfinite(value)]
        costs = sorted(map(metric.cost, values))
        if not costs:
            return cls(0.0, 0.0)
        ends = costs[0], costs[ceil((1 - CLIPPED) * (len(costs) - 1))]
        return cls(*sorted(map(metric.cost, ends)))

    def block(self, value: float) -> str:
        """The block of a value."""
        if not isfinite(value):
            return NOT_FINITE
        if value <= self.low:
            return BLOCKS[0]
        if value >= self.high:
            return BLOCKS[-1]
        return BLOCKS[int(len(BLOCKS) * (value - self.low) / (self.high - self.low))]


def sparkline(curve: Curve, max_epochs: int | None, scale: Scale, width: int) -> str:
    """A curve as blocks; its length is the share of `max_epochs` that the trial has run.

    Args:
        max_epochs: of the trial's config. [default: those that it ran]
        width: characters of a trial that runs to its last epoch, if it has as many epochs.
    """
    if not curve:
        return ""
    n_epochs = max(max_epochs or 0, *curve)
    cells: dict[int, float] = {}
    for epoch in sorted(curve):
        # The latest value of the epochs that share a cell.
        cells[ceil(epoch * min(width, n_epochs) / n_epochs)] = curve[epoch]
    # A trial that goes on from a checkpoint may have been watched from there on only.
    places = range(1, max(cells) + 1)
    return "".join(scale.block(cells[at]) if at in cells else " " for at in places)
