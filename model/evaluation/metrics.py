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
    """

    name: str
    label: str
    direction: Literal["minimize", "maximize"]
    compute: Callable[[Predictions], float]
    digits: int = 4
    per_star: float = 1.0

    def of(self, report: Report) -> float:
        """The metric's value in one epoch."""
        return report.metric(self.name)

    def cost(self, value: float) -> float:
        """The value with the sign that makes lower better; applied twice, the value again."""
        return value if self.direction == "minimize" else -value

    def is_better(self, value: float, other: float) -> bool:
        return self.cost(value) < self.cost(other)

    def level(self, value: float) -> float:
        """The value as stars, lower is better: what pruners compare. The RMSE's is its value."""
        return self.cost(value) / self.per_star

    def value_of(self, level: float) -> float:
        """The value whose level this is."""
        return self.cost(level * self.per_star)

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

    def format(self, value: float) -> str:
        return f"{value:.{self.digits}f}"


def val_mse(predictions: Predictions) -> float:
    """In stars squared; summed in float64."""
    error = predictions.predicted.double() - predictions.rating.double()
    return float(error.square().mean())


def val_rmse(predictions: Predictions) -> float:
    """In stars."""
    return math.sqrt(val_mse(predictions))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(name="val_rmse", label="validation RMSE", direction="minimize", compute=val_rmse),
        Metric(
            name="val_mse",
            label="validation MSE",
            direction="minimize",
            compute=val_mse,
            per_star=1.7,  # 2 * RMSE, at the RMSE of MovieLens
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
