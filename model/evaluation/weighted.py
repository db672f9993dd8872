"""Metrics by the name or the formula of a study file: `val_ndcg`, `val_rmse - 0.5 * val_ndcg`.

A formula is a weighted sum of metrics in `METRICS`, one number that a study can optimise. Its
signs decide its direction: with RMSE added and NDCG subtracted, a lower value is better.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator

from ...base.messages import quoted
from .metrics import METRICS, Metric, Predictions

# One metric with its sign and weight, such as `- 0.5 * val_ndcg`.
_TERM = re.compile(
    r"\s*(?P<sign>[+-]?)\s*((?P<weight>[\d.]+(e[+-]?\d+)?)\s*\*\s*)?(?P<name>[a-z_]\w*)\s*",
    re.ASCII | re.IGNORECASE,
)
_EXAMPLE = "val_rmse - 0.5 * val_ndcg"


@dataclass(frozen=True, kw_only=True)
class WeightedMetric(Metric):
    """A weighted sum of metrics. A report and a trial record its parts too.

    Attributes:
        weights: by the part's name, with its sign.
    """

    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.weights)

    def moves_per_star(self, star: float = 1.0) -> float:
        """The sum of the parts' movements, which all get better or worse together."""
        return sum(
            abs(weight) * METRICS[name].moves_per_star(star)
            for name, weight in self.weights.items()
        )


def find_metric(name: str) -> Metric:
    """The metric of a name in `METRICS`, or of a formula.

    Raises:
        ValueError: no such metric, or the formula makes no sense.
    """
    if name in METRICS:
        return METRICS[name]
    weights = _read_weights(name)
    directions = {
        "minimize" if (weight > 0) == (METRICS[part].direction == "minimize") else "maximize"
        for part, weight in weights.items()
    }
    if len(directions) > 1:
        raise ValueError(
            f"in {quoted(name)} a higher value is better for one metric and worse for another; "
            f"subtract what should be high from what should be low, as in {_EXAMPLE}"
        )
    formula = _write_formula(weights)
    powers = {METRICS[part].unit_power for part in weights}

    def compute(predictions: Predictions) -> float:
        return sum(w * METRICS[part].compute(predictions) for part, w in weights.items())

    return WeightedMetric(
        name=formula,
        label=f"objective ({formula})",
        direction="minimize" if directions == {"minimize"} else "maximize",
        compute=compute,
        digits=max(METRICS[part].digits for part in weights),
        unit_power=powers.pop() if len(powers) == 1 else 0,
        weights=weights,
    )


def has_unit(metric: Metric) -> bool:
    """Whether values convert from one scale of ratings to another: the parts have one unit."""
    return len({METRICS[part].unit_power for part in metric.parts}) <= 1


def _read_weights(formula: str) -> dict[str, float]:
    """The weight of each metric in a formula."""
    terms: list[re.Match[str]] = []
    end = 0
    while end < len(formula) and (term := _TERM.match(formula, end)):
        if terms and not term["sign"]:
            break
        terms.append(term)
        end = term.end()
    choices = ", ".join(METRICS)
    if end < len(formula) or not terms:
        raise ValueError(
            f"{quoted(formula)} is no metric; choose from {choices}, or write a weighted sum of "
            f"them such as {_EXAMPLE}"
        )
    weights: dict[str, float] = {}
    for term in terms:
        name = term["name"]
        if name not in METRICS:
            raise ValueError(f"no metric named {quoted(name)}; choose from {choices}")
        if name in weights:
            raise ValueError(f"{name} is in {quoted(formula)} twice; add up its weights")
        weights[name] = _read_weight(term)
    return weights


def _read_weight(term: re.Match[str]) -> float:
    text = term["weight"] or "1"
    try:
        weight = float(text)
    except ValueError:
        raise ValueError(f"weight of {term['name']}: {quoted(text)} is not a number") from None
    if not 0 < weight < float("inf"):
        raise ValueError(f"weight of {term['name']} must be above 0 and finite, got {text}")
    return -weight if term["sign"] == "-" else weight


def _write_formula(weights: Mapping[str, float]) -> str:
    """The formula in the one notation that is stored and shown."""
    text = ""
    for name, weight in weights.items():
        sign = "-" if weight < 0 else "+" if text else ""
        factor = "" if abs(weight) == 1 else f"{abs(weight):.12g} * "
        text += f" {sign} {factor}{name}" if text else f"{sign}{factor}{name}"
    return text


def _known_metric(name: str) -> str:
    return find_metric(name).name


MetricName = Annotated[str, AfterValidator(_known_metric)]
"""The name of a metric or a formula, for pydantic; a formula in the notation that is stored."""
