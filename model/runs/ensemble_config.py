"""The config of an ensemble: its members' configs and weights. Nothing trains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isclose
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ...base.messages import describe_detail
from ...base.strict import Positive
from ...errors import ConfigError
from ..architectures.configs import config_from_mapping
from ..config import STRICT, TrainingConfig

ENSEMBLE = "ensemble"
Weighting = Literal["equal", "greedy"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class EnsembleMember:
    """A trained model in an ensemble."""

    run: str  # where it comes from; the ensemble does not need it any more
    weight: Annotated[Positive, Field(le=1)]
    config: TrainingConfig


@dataclass(frozen=True, kw_only=True, config=STRICT)
class EnsembleConfig(TrainingConfig):
    """Models whose predictions are averaged."""

    architecture: Literal["ensemble"] = "ensemble"
    weighting: Weighting
    members: Annotated[tuple[EnsembleMember, ...], Field(min_length=1)]

    def __post_init__(self) -> None:
        total = sum(member.weight for member in self.members)
        if not isclose(total, 1, abs_tol=1e-6):
            raise ValueError(f"weights must sum to 1, got {total:g}")

    def for_split(self, *, is_random: bool) -> Self:
        members = [
            replace(member, config=member.config.for_split(is_random=is_random))
            for member in self.members
        ]
        return replace(self, members=tuple(members))


def read_config(values: Mapping[str, Any]) -> TrainingConfig:
    """The config of a run: that of a training, or of an ensemble.

    Raises:
        ConfigError: it is invalid; `at` names the value.
    """
    if values.get("architecture") != ENSEMBLE:
        return config_from_mapping(values)
    members = values.get("members")
    read: Any = members
    if isinstance(members, list):
        read = [_read_member(member, at) for at, member in enumerate(members)]
    try:
        return TypeAdapter(EnsembleConfig).validate_python({**values, "members": read})
    except ValidationError as error:
        detail = error.errors()[0]
        raise ConfigError(describe_detail(detail), at=detail["loc"]) from None


def _read_member(member: Any, at: int) -> Any:
    """The member with its config read; anything else is left for the validation to refuse."""
    if not isinstance(member, Mapping) or not isinstance(member.get("config"), Mapping):
        return member
    try:
        return {**member, "config": config_from_mapping(member["config"])}
    except ConfigError as error:
        raise ConfigError(str(error), at=("members", at, "config", *error.at)) from None
