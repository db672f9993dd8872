"""The sampler of a study, as its file defines it."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from ...base.messages import quoted, suggest
from ...base.strict import Count, Natural, Seed, Strict


class SamplerSettings(Strict):
    """What all samplers have in common."""

    seed: Seed = 42


class TpeSettings(SamplerSettings):
    startup_trials: Natural = 10  # random trials before the sampler models the space


class GpSettings(SamplerSettings):
    startup_trials: Natural = 10  # random trials, shared evenly by the architectures


class CmaEsSettings(SamplerSettings):
    # As in Optuna: what is drawn at random is no generation, and CMA-ES learns nothing from it.
    startup_trials: Natural = 1


class RandomSettings(SamplerSettings):
    pass


class GridSettings(SamplerSettings):
    points: Annotated[Count, Field(le=100)] = 3  # values of each numeric range


class AutoSettings(SamplerSettings):
    startup_trials: Natural = 10  # random trials before the surrogate is asked


class Sampler(Strict):
    """The sampler: exactly one of the fields is set."""

    tpe: TpeSettings | None = None
    gp: GpSettings | None = None
    cmaes: CmaEsSettings | None = None
    random: RandomSettings | None = None
    grid: GridSettings | None = None
    auto: AutoSettings | None = None

    @property
    def name(self) -> str:
        return next(name for name, _ in self if getattr(self, name) is not None)

    @property
    def settings(self) -> SamplerSettings:
        settings: SamplerSettings = getattr(self, self.name)
        return settings

    def replaced_by(self, name: str) -> dict[str, Any]:
        """The study file's entry for another sampler with the same seed; this one's if it is it."""
        if name == self.name:
            return self.model_dump(exclude_none=True)
        return {name: {"seed": self.settings.seed}}

    @model_validator(mode="before")
    @classmethod
    def _expand_name(cls, data: Any) -> Any:
        """`gp` stands for `{gp: {}}`."""
        if not isinstance(data, str):
            return data
        if data not in cls.model_fields:
            raise ValueError(f"no sampler named {quoted(data)}{suggest(data, cls.model_fields)}")
        return {data: {}}

    @model_validator(mode="after")
    def _has_exactly_one(self) -> Self:
        if sum(settings is not None for _, settings in self) != 1:
            names = list(type(self).model_fields)
            raise ValueError(
                f"must name one of {', '.join(names[:-1])} and {names[-1]}, such as "
                "{tpe: {seed: 42}}"
            )
        return self
