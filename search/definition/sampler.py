"""The sampler of a study, as its file defines it."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from ...base.strict import Natural, Seed, Strict


class TpeSettings(Strict):
    seed: Seed = 42
    startup_trials: Natural = 10  # random trials before the sampler models the space


class RandomSettings(Strict):
    seed: Seed = 42


class Sampler(Strict):
    """The sampler: exactly one of the fields is set."""

    tpe: TpeSettings | None = None
    random: RandomSettings | None = None

    @model_validator(mode="after")
    def _has_exactly_one(self) -> Self:
        if (self.tpe is None) == (self.random is None):
            raise ValueError("must name one of tpe and random, such as {tpe: {seed: 42}}")
        return self
