"""What a study optimises, and the target that ends it, as its file defines them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from ...base.strict import Number, Strict
from ...data.ratings import Scale
from ...model.evaluation.weighted import MetricName, find_metric, has_unit


class Target(Strict):
    """The value that ends the study: below a threshold, or above it for a metric to maximise."""

    metric: MetricName
    below: Number | None = None
    above: Number | None = None
    unit: Literal["ratings", "stars"] = "ratings"  # of the threshold: the data's own, or stars
    note: str = ""  # one sentence, printed wherever the target is shown

    @model_validator(mode="after")
    def _matches_direction(self) -> Self:
        wanted, other = ("below", "above")
        if find_metric(self.metric).direction == "maximize":
            wanted, other = other, wanted
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            raise ValueError(f"a target on {self.metric} must have {wanted}, such as {wanted}: 0.5")
        if self.unit == "stars" and not has_unit(find_metric(self.metric)):
            raise ValueError(
                f"{self.metric} adds metrics with different units, so a target on it cannot be "
                "converted from stars; leave out unit, and give it on the scale of the ratings"
            )
        return self

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.value <= 0 and not find_metric(self.metric).parts:
            raise ValueError(f"a target on {self.metric} must be above 0, got {self.value:g}")
        return self

    @property
    def value(self) -> float:
        """The threshold."""
        value = self.below if self.above is None else self.above
        assert value is not None
        return value

    def in_ratings(self, scale: Scale) -> Target:
        """The target in the units of ratings with this scale; its note states it in stars too."""
        value = find_metric(self.metric).in_ratings(self.value, scale.star)
        if self.unit == "ratings" or value == self.value:
            return self
        bound = "below" if self.above is None else "above"
        note = f"In stars: {self.condition}. {self.note}".strip()
        return self.model_copy(update={bound: value, "unit": "ratings", "note": note})

    def is_reached(self, value: float | None) -> bool:
        """Whether a value of the target's metric is better than the threshold."""
        return value is not None and find_metric(self.metric).is_better(value, self.value)

    @property
    def condition(self) -> str:
        """The target as text, such as `val_mse < 0.55`."""
        return f"{self.metric} {'<' if self.above is None else '>'} {self.value:g}"

    def __str__(self) -> str:
        """The condition, followed by the study file's note."""
        return f"{self.condition}. {self.note}" if self.note else self.condition


class Objective(Strict):
    """What the study optimises, and when it has reached its goal."""

    metric: MetricName = "val_rmse"
    target: Target | None = None

    @model_validator(mode="after")
    def _target_is_recorded(self) -> Self:
        """Trials record RMSE and MSE, and the metric that is optimised with its parts."""
        recorded = find_metric(self.metric).recorded
        if self.target and self.target.metric not in recorded:
            raise ValueError(
                f"target metric must be one of {', '.join(recorded)}, got {self.target.metric}"
            )
        return self
