"""Curves by epoch as a chart of characters; each has its own mark, so that no colour is needed.

Plotting libraries for terminals (uniplot, plotext, plotille) tell curves apart by colour alone, or
label the axis with too few or too many digits at this size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Self

from rich.text import Text

from .sparkline import Curve

MARKS, STYLES = "●○", ("cyan", "yellow")
BEYOND = "^"  # in the top row, for a value above it
X_TITLE = "  epoch"
ROWS, MAX_WIDTH = 10, 100
FENCE = 10  # interquartile ranges above the upper quartile, beyond which a value is an outlier


@dataclass(frozen=True)
class _Axes:
    """Where the values of the chart are.

    Attributes:
        low, high: values in the middle of the lowest and of the highest row.
    """

    n_epochs: int
    n_columns: int
    low: float
    high: float

    @classmethod
    def of(cls, curves: list[Curve], n_columns: int) -> Self:
        values = sorted(v for curve in curves for v in curve.values() if isfinite(v))
        lower, upper = values[len(values) // 4], values[3 * len(values) // 4]
        fence = upper + FENCE * (upper - lower)
        high = max((value for value in values if value <= fence), default=values[-1])
        return cls(max(max(curve) for curve in curves if curve), n_columns, values[0], high)

    def column(self, epoch: int) -> int:
        if self.n_epochs == 1:
            return 0
        step = min(4.0, (self.n_columns - 1) / (self.n_epochs - 1))
        # Whole steps, so that a smooth curve looks smooth.
        return round((epoch - 1) * (int(step) if step >= 1 else step))

    def row(self, value: float) -> int:
        """Counted from the top."""
        if self.high == self.low:
            return ROWS // 2
        return round((ROWS - 1) * (self.high - value) / (self.high - self.low))


def chart(curves: Mapping[str, Curve], width: int, digits: int = 4) -> list[Text]:
    """The curves, with their names below; empty if none has a finite value.

    Args:
        curves: at most two, by name; the first one is drawn over the second one.
        width: of the terminal.
        digits: decimals of the values at the axis.
    """
    drawn = [curve for curve in curves.values() if any(map(isfinite, curve.values()))]
    if not drawn:
        return []
    labels = dict.fromkeys(range(ROWS), "")
    margin = _label_width(drawn, digits)
    axes = _Axes.of(drawn, min(width, MAX_WIDTH) - margin - len(" ┤") - len(X_TITLE))
    for row in (0, ROWS // 2, ROWS - 1) if axes.high > axes.low else (ROWS // 2,):
        value = axes.high - (axes.high - axes.low) * row / (ROWS - 1)
        labels[row] = f"{value:.{digits}f}"
    cells: dict[tuple[int, int], Text] = {}
    for (mark, style), curve in reversed(list(zip(_marks(), curves.values(), strict=False))):
        for epoch, value in curve.items():
            if isfinite(value):
                place = max(0, axes.row(value)), axes.column(epoch)
                cells[place] = Text(BEYOND if value > axes.high else mark, style)
    rows = [_row(labels[row], margin, row, cells, axes) for row in range(ROWS)]
    return [*rows, *_epoch_axis(margin, axes), _legend(curves, margin)]


def _marks() -> list[tuple[str, str]]:
    return list(zip(MARKS, STYLES, strict=True))


def _label_width(curves: list[Curve], digits: int) -> int:
    return max(len(f"{v:.{digits}f}") for c in curves for v in c.values() if isfinite(v))


def _row(
    label: str, margin: int, row: int, cells: Mapping[tuple[int, int], Text], axes: _Axes
) -> Text:
    line = Text(f"{label:>{margin}} {'┤' if label else '│'}", no_wrap=True)
    for column in range(axes.column(axes.n_epochs) + 1):
        line.append_text(cells.get((row, column), Text(" ")))
    line.rstrip()
    return line


def _epoch_axis(margin: int, axes: _Axes) -> list[Text]:
    """The line of the axis, and the first and the last epoch below their columns."""
    last, end = str(axes.n_epochs), axes.column(axes.n_epochs)
    line = f"{'':>{margin}} └{'─' * (end + 1)}"
    numbers = f"{'':>{margin}}  1" + (f"{last:>{end}}" if end >= len(last) + 1 else "")
    return [Text(line, no_wrap=True), Text(numbers + X_TITLE, no_wrap=True)]


def _legend(curves: Mapping[str, Curve], margin: int) -> Text:
    legend = Text(" " * (margin + 2), no_wrap=True)
    for (mark, style), name in zip(_marks(), curves, strict=False):
        legend.append(mark, style).append(f" {name}   ")
    legend.rstrip()
    return legend
