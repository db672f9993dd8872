"""Metrics that a study can optimise: a name, a direction, and how to compute the value.

A new metric is one function and one line in `METRICS`. Importing this module needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ...errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from ...data.ratings import Ratings
    from ..components.rating_model import RatingModel

# A study ranks the catalogue in every epoch, so it takes a sample of more users than this: about
# three seconds of two cores with 27,000 films. `evaluate` ranks for all users.
MAX_RANKED_USERS = 10_000


class Report(Protocol):
    """What has the values of metrics: an `EpochReport`."""

    def metric(self, name: str) -> float: ...


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """The validation ratings and their predictions, from which a metric is computed.

    Attributes:
        predicted: (n,) expected stars, clipped to the scale.
        score: (n,) the same before clipping, which would make ties: what rankings sort by.
        rating: (n,) stars.
        user, film: (n,) indices.
        part: the validation ratings, whose rows these are.
        model: in eval mode.
    """

    predicted: Tensor
    score: Tensor
    rating: Tensor
    user: Tensor
    film: Tensor
    part: Ratings
    model: RatingModel

    @cached_property
    def held_out_rated(self) -> Mapping[str, Any]:
        """Rankings of the films that each user rated in the validation split."""
        from .ranking import held_out_rated

        return held_out_rated(self.model.store, self.part, self.score)

    @cached_property
    def full_catalogue(self) -> Mapping[str, Any]:
        """Rankings of all films that each user has not rated in train."""
        from .ranking import full_catalogue

        return full_catalogue(self.model, self.part, max_users=MAX_RANKED_USERS)


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

    @property
    def recorded(self) -> tuple[str, ...]:
        """The metrics that a trial records: RMSE and MSE always, and this one."""
        return tuple(dict.fromkeys(("val_rmse", "val_mse", *self.parts, self.name)))

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the metrics that a weighted sum is made of; none of any other metric."""
        return ()

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


def _mean_over_users(figures: Mapping[str, Any], name: str) -> float:
    if figures[name] is None:
        raise DataError(
            "no user has a relevant film among the validation ratings "
            f"({figures['protocol']}), so rankings have no value; choose the metric val_rmse"
        )
    return float(figures[name])


def val_ndcg(predictions: Predictions) -> float:
    return _mean_over_users(predictions.held_out_rated, "ndcg")


def val_precision(predictions: Predictions) -> float:
    return _mean_over_users(predictions.held_out_rated, "precision")


def val_catalogue_ndcg(predictions: Predictions) -> float:
    return _mean_over_users(predictions.full_catalogue, "ndcg")


def val_catalogue_precision(predictions: Predictions) -> float:
    return _mean_over_users(predictions.full_catalogue, "precision")


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
        # The `per_star` of rankings: docs/metrics.md has the curves that they are measured on.
        Metric(
            name="val_ndcg",
            label="validation NDCG@10 (held-out rated)",
            direction="maximize",
            compute=val_ndcg,
            per_star=0.4,
        ),
        Metric(
            name="val_precision",
            label="validation Precision@10 (held-out rated)",
            direction="maximize",
            compute=val_precision,
            per_star=0.2,
        ),
        Metric(
            name="val_catalogue_ndcg",
            label="validation NDCG@10 (full catalogue)",
            direction="maximize",
            compute=val_catalogue_ndcg,
            per_star=0.7,
        ),
        Metric(
            name="val_catalogue_precision",
            label="validation Precision@10 (full catalogue)",
            direction="maximize",
            compute=val_catalogue_precision,
            per_star=0.4,
        ),
    )
}

VAL_RMSE = METRICS["val_rmse"]
