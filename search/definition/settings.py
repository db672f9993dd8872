"""The small tables of a study file: objective and sampler."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ...base.strict import Natural, Number, Seed, Strict


class Target(Strict):
    """Reaching it ends the study."""

    metric: Literal["val_rmse", "val_mse"]
    below: Annotated[Number, Field(gt=0)]
    note: str = ""  # one sentence, printed wherever the target is

    def __str__(self) -> str:
        """`val_mse < 0.55`, followed by the study file's note."""
        return f"{self.metric} < {self.below:g}" + (f". {self.note}" if self.note else "")


class Objective(Strict):
    metric: Literal["val_rmse"] = "val_rmse"
    target: Target | None = None


class TpeSettings(Strict):
    seed: Seed = 42
    startup_trials: Natural = 10  # drawn at random before the first model of the space


class RandomSettings(Strict):
    seed: Seed = 42


class Sampler(Strict):
    """One of the two."""

    tpe: TpeSettings | None = None
    random: RandomSettings | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.tpe is None) == (self.random is None):
            raise ValueError("must name one of tpe and random, such as {tpe: {seed: 42}}")
        return self
