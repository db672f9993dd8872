"""Limits beyond which configs are known to fail, as constraints for the sampler."""

from __future__ import annotations

from typing import NamedTuple

from ...base.strict import Count, Positive, Strict
from ...model.config import TrainingConfig


class Limit(NamedTuple):
    """A limit, and the value of one config that it applies to.

    Attributes:
        violation: 0 or less if the limit is met, and larger the further it is exceeded, as Optuna
            expects of a constraint.
    """

    name: str
    value: float
    limit: float
    violation: float

    def __str__(self) -> str:
        """The message for a limit that is exceeded."""
        value, limit = (
            f"{number:,}" if isinstance(number, int) else f"{number:g}"
            for number in (self.value, self.limit)
        )
        return f"{self.name} {value} is above {limit}"


class Limits(Strict):
    """Upper limits for configs; a config that exceeds one is not trained."""

    kl_weight: Positive | None = None
    net_parameters: Count | None = None  # number of trained weights, excluding embeddings

    def of(self, config: TrainingConfig, net_parameters: int) -> list[Limit]:
        """Each limit that applies to the config, met or not."""
        values = {
            "kl_weight": getattr(config, "kl_weight", None),
            "net_parameters": net_parameters,
        }
        found = []
        for name, value in values.items():
            limit = getattr(self, name)
            if limit is not None and value is not None:
                found.append(Limit(name, value, limit, value / limit - 1.0))
        return found

    def exceeded(self, config: TrainingConfig, net_parameters: int) -> list[Limit]:
        """The limits that the config exceeds."""
        return [limit for limit in self.of(config, net_parameters) if limit.violation > 0]
