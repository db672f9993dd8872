"""Tables and numbers that take nothing for what it is not, for pydantic."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticKnownError

from .messages import near


def _no_truth(kind: Literal["int_type", "float_type"]) -> BeforeValidator:
    """pydantic would take true for 1."""

    def check(value: Any) -> Any:
        if isinstance(value, bool):
            raise PydanticKnownError(kind)
        return value

    return BeforeValidator(check)


# What 64 bits hold: neither PyTorch nor a database takes more.
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63), _no_truth("int_type")]
Natural = Annotated[Whole, Field(ge=0)]
Count = Annotated[Whole, Field(ge=1)]
# NumPy's older generator, which Optuna draws from, takes seeds below 2^32, and a study adds the
# number of its trials.
Seed = Annotated[Whole, Field(ge=0, lt=2**31)]
# What single precision holds, in which models are trained.
Number = Annotated[float, Field(ge=-1e38, le=1e38, allow_inf_nan=False), _no_truth("float_type")]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Chance = Annotated[Number, Field(gt=0, lt=1)]


class Strict(BaseModel):
    """A frozen table, which refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_key(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            refuse_unknown(data, known)
        return data


def refuse_unknown(data: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises ValidationError at the first key that is not known."""
    for key in data:
        if key not in known:
            raise fault(f"unknown key{near(key, known)}", key)


def fault(message: str, *at: str | int) -> ValidationError:
    """An error that lies at a key below the value that is being validated."""
    detail = InitErrorDetails(
        type="value_error", loc=at, input=None, ctx={"error": ValueError(message)}
    )
    return ValidationError.from_exception_data("file", [detail])
