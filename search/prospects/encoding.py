"""Configs as points in space: each axis of a search space is one or more columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ..definition.axes import Axis, ChoiceAxis, FloatAxis
from ..definition.space import Space, allowed_values, is_of

Doubles = NDArray[np.float64]

# Distance between two values of a choice without an order: as far as two ends of a range.
APART = 1.0
# Distance between two architectures: their axes have nothing in common.
FAR = 1e3
ABSENT = -0.5  # on the column of a range that does not apply: off the range


class Encoding:
    """The columns of a space.

    A range is one column, 0 to 1, on the log scale if it has one; so is a choice of numbers, by
    rank. Any other choice has a column for each of its values.

    Attributes:
        columns: axis -> its columns.
        n_columns: in total.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self.columns: dict[str, slice] = {}
        self.n_columns = 0
        for name, axis in space.axes.items():
            width = 1 if is_ordered(axis) else len(axis.probes())
            self.columns[name] = slice(self.n_columns, self.n_columns + width)
            self.n_columns += width
        self._rows = {name: _rows(name, axis) for name, axis in space.axes.items()}

    def encode(self, configs: Sequence[Mapping[str, Any]]) -> Doubles:
        """(n, n_columns) points. Args: configs: axis -> value, for the axes that apply."""
        points = np.zeros((len(configs), self.n_columns))
        for name, axis in self._space.axes.items():
            block, rows = points[:, self.columns[name]], self._rows[name]
            for row, config in zip(block, configs, strict=True):
                if name not in config:
                    row[:] = ABSENT if is_ordered(axis) else 0.0
                elif rows:
                    row[:] = rows[axis.param_of(config[name])]
                else:
                    row[:] = axis.position(config[name])
        return points

    def encode_params(self, params: Sequence[Mapping[str, Any]]) -> Doubles:
        """(n, n_columns) points. Args: params: of trials, as Optuna stores them."""
        axes = self._space.axes
        return self.encode(
            [
                {name: axes[name].value_of(value) for name, value in each.items() if name in axes}
                for each in params
            ]
        )

    def decode(self, point: Doubles) -> dict[str, Any]:
        """Axis -> value of the config at a point, for the axes that apply to it."""

        def value_of(name: str, axis: Axis) -> Any:
            block = point[self.columns[name]]
            if is_ordered(axis) and block[0] == ABSENT:
                # One that has begun to apply, because a choice has changed, is in the middle.
                return axis.at(0.5)
            if rows := self._rows[name]:
                nearest = min(rows, key=lambda label: float(np.abs(rows[label] - block).sum()))
                return axis.value_of(nearest)
            return axis.at(float(block[0]))

        return self._space.choose(value_of)

    def draw(self, n: int, architecture: str | None, rng: Generator) -> Doubles:
        """(n, n_columns) points of configs drawn uniformly, all of this architecture."""
        points = np.zeros((n, self.n_columns))
        for name, axis in self._space.axes.items():
            block = points[:, self.columns[name]]
            if name == "architecture":
                block[:] = self._rows[name][architecture]
                continue
            applies = self._applies(name, axis, architecture, points)
            if is_ordered(axis):
                block[:, 0] = np.where(applies, _positions(axis, rng.random(n)), ABSENT)
            else:
                places = rng.integers(block.shape[1], size=n)
                block[applies, places[applies]] = APART / np.sqrt(2)
        return points

    def _applies(
        self, name: str, axis: Axis, architecture: str | None, points: Doubles
    ) -> NDArray[np.bool_]:
        """(n,) whether the axis applies to each point; the axes listed before it are set."""
        applies = np.full(len(points), architecture is None or is_of(name, architecture))
        for other, condition in axis.when.items():
            values = self._space.axes[other]
            allowed = self.encode([{other: value} for value in allowed_values(values, condition)])
            block = self.columns[other]
            matches = points[:, None, block] == allowed[None, :, block]
            applies &= matches.all(axis=2).any(axis=1)
        return applies

    def near(self, points: Doubles, spread: float, rng: Generator) -> Doubles:
        """(n, n_columns) points, one near each of these; ranges that do not apply stay as they are.

        Args:
            spread: standard deviation of the step along a range, and the share of choices that
                change.
        """
        moved = points.copy()
        for name, axis in self._space.axes.items():
            block = moved[:, self.columns[name]]
            if name == "architecture":
                continue
            if is_constant(axis):
                continue
            if is_ordered(axis):
                applies = block[:, 0] != ABSENT
                block[applies] += spread * rng.standard_normal((int(applies.sum()), 1))
                block[applies] = block[applies].clip(0, 1)
            else:
                changes = (rng.random(len(points)) < spread) & (block.max(axis=1) > 0)
                block[changes] = 0
                places = rng.integers(block.shape[1], size=int(changes.sum()))
                block[np.flatnonzero(changes), places] = APART / np.sqrt(2)
        return moved


def is_constant(axis: Axis) -> bool:
    """Whether the axis is a range of one value."""
    low, high = axis.ends()
    return low == high and not isinstance(axis, ChoiceAxis)


def is_ordered(axis: Axis) -> bool:
    """Whether the axis is a range, or a choice of numbers."""
    low, high = axis.ends()
    return low != high or not isinstance(axis, ChoiceAxis)


def _rows(name: str, axis: Axis) -> dict[Any, Doubles]:
    """The columns of each value of a choice, by its label; empty for a range."""
    if not isinstance(axis, ChoiceAxis):
        return {}
    if is_ordered(axis):
        ranked = sorted(axis.choices)
        return {
            axis.param_of(value): np.array([rank / (len(ranked) - 1)])
            for rank, value in enumerate(ranked)
        }
    side = (FAR if name == "architecture" else APART) / np.sqrt(2)
    rows = side * np.eye(len(axis.choices))
    return {axis.param_of(value): row for value, row in zip(axis.choices, rows, strict=True)}


def _positions(axis: Axis, uniform: Doubles) -> Doubles:
    """Positions of values drawn uniformly from an axis with an order."""
    if is_constant(axis):
        return np.full_like(uniform, axis.position(axis.at(0.5)))
    if isinstance(axis, ChoiceAxis):
        last = len(axis.choices) - 1
        return np.minimum(np.floor(uniform * (last + 1)), last) / last
    if isinstance(axis, FloatAxis):
        return uniform
    return np.array([axis.position(axis.at(share)) for share in uniform])
