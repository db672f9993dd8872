"""Metrics that a study can optimise: a name, a direction, and how to compute the value.

A new metric is one function and one line in `METRICS`. Importing this module needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import AfterValidator

from ...base.messages import quoted

if TYPE_CHECKING:
    from torch import Tensor


class Report(Protocol):
    """What has the values of metrics: an `EpochReport`."""

    def metric(self, name: str) -> float: ...


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """The validation ratings and their predictions, from which a metric is computed.

    Attributes:
        predicted: (n,) expected stars, clipped to the scale.
        rating: (n,) stars.
        user, film: (n,) indices.
    """

    predicted: Tensor
    rating: Tensor
    user: Tensor
    film: Tensor


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure that a study compares trials by.

    Attributes:
        name: the key in reports, records and study files, such as `val_rmse`.
        label: its name in sentences, such as `validation RMSE`.
        direction: `minimize` or `maximize`, as Optuna takes it.
        compute: the value from the validation ratings and their predictions.
        digits: decimals shown.
        per_star: how far the metric moves where validation RMSE moves by one star. The pruners'
            thresholds are in stars; they are multiplied by it.
        unit_power: power of the ratings' unit that the value scales with: 1 for an RMSE, 2 for an
            MSE. 0 for a share, a correlation or a ranking metric, whose values are the same on
            every scale of ratings.
    """

    name: str
    label: str
    direction: Literal["minimize", "maximize"]
    compute: Callable[[Predictions], float]
    digits: int = 4
    per_star: float = 1.0
    unit_power: int = 0

    def of(self, report: Report) -> float:
        """The metric's value in one epoch."""
        return report.metric(self.name)

    def cost(self, value: float) -> float:
        """The value with the sign that makes lower better; applied twice, the value again."""
        return value if self.direction == "minimize" else -value

    def is_better(self, value: float, other: float) -> bool:
        return self.cost(value) < self.cost(other)

    def level(self, value: float, star: float = 1.0) -> float:
        """The value as stars, lower is better: what pruners compare. The RMSE's is its value.

        Args:
            star: what a star is worth in the ratings' units: `Scale.star`.
        """
        return self.levels([value], star)[0]

    def levels(self, values: Iterable[float], star: float = 1.0) -> tuple[float, ...]:
        """The levels of many values."""
        sign, per_star = self.cost(1.0), self.moves_per_star(star)
        return tuple([sign * value / per_star for value in values])

    def value_of(self, level: float, star: float = 1.0) -> float:
        """The value whose level this is."""
        return self.cost(level * self.moves_per_star(star))

    def moves_per_star(self, star: float = 1.0) -> float:
        """How far the metric moves per star of validation RMSE, on ratings with such a star."""
        return self.per_star * self.in_ratings(1.0, star)

    def in_ratings(self, value: float, star: float) -> float:
        """A value on ratings in stars, converted to ratings with such a star."""
        return value * star**self.unit_power

    @property
    def better_side(self) -> str:
        """Where better values are: `below` or `above`."""
        return "below" if self.direction == "minimize" else "above"

    @property
    def worse_side(self) -> str:
        return "above" if self.direction == "minimize" else "below"

    def best(self, values: Iterable[float]) -> float | None:
        """The best of the finite values; None if there is none."""
        finite = filter(math.isfinite, values)
        return min(finite, key=self.cost, default=None)

    def format(self, value: float, star: float = 1.0) -> str:
        """The value as text, with more decimals where the ratings' unit makes values smaller."""
        finer = max(0, math.ceil(-math.log10(self.in_ratings(1.0, star))))
        return f"{value:.{self.digits + finer}f}"


def val_mse(predictions: Predictions) -> float:
    """In the ratings' unit squared; summed in float64."""
    error = predictions.predicted.double() - predictions.rating.double()
    return float(error.square().mean())


def val_rmse(predictions: Predictions) -> float:
    """In the ratings' unit."""
    return math.sqrt(val_mse(predictions))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="val_rmse",
            label="validation RMSE",
            direction="minimize",
            compute=val_rmse,
            unit_power=1,
        ),
        Metric(
            name="val_mse",
            label="validation MSE",
            direction="minimize",
            compute=val_mse,
            per_star=1.7,  # 2 * RMSE, at the RMSE of MovieLens
            unit_power=2,
        ),
    )
}

VAL_RMSE = METRICS["val_rmse"]


def _known_metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"no metric named {quoted(name)}; choose from {', '.join(METRICS)}")
    return name


MetricName = Annotated[str, AfterValidator(_known_metric)]
"""A name in `METRICS`, for pydantic."""
