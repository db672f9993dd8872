"""What a study may cost."""

from __future__ import annotations

from typing import NamedTuple, Self

from pydantic import model_validator

from ...base.strict import Count, Positive, Strict


class Spending(NamedTuple):
    """What a study has cost.

    Attributes:
        seconds: wall-clock time in which at least one trial ran, over all starts.
    """

    epochs: int
    seconds: float


class Budget(Strict):
    """The budget of a whole study, over all starts; the study ends once any part of it is spent."""

    epochs: Count | None = None
    seconds: Positive | None = None
    usd: Positive | None = None
    usd_per_hour: Positive | None = None  # of the machine

    @model_validator(mode="after")
    def _has_a_price(self) -> Self:
        if self.usd is not None and self.usd_per_hour is None:
            raise ValueError("usd needs usd_per_hour (--usd-per-hour), the price of the machine")
        return self

    def cost_usd(self, spent: Spending) -> float | None:
        """The cost so far; None without a price per hour."""
        return None if self.usd_per_hour is None else spent.seconds / 3600 * self.usd_per_hour

    def exhausted(self, spent: Spending) -> str | None:
        """A message about the first part that is spent; None if none is."""
        if self.epochs is not None and spent.epochs >= self.epochs:
            return f"the study's budget of {self.epochs} epochs is spent"
        if self.seconds is not None and spent.seconds >= self.seconds:
            return f"the study's budget of {self.seconds:g} s is spent"
        cost = self.cost_usd(spent)
        if self.usd is not None and cost is not None and cost >= self.usd:
            return (
                f"the study's budget of {self.usd:g} USD is spent: {spent.seconds / 3600:.2f} h "
                f"at {self.usd_per_hour:g} USD an hour"
            )
        return None
