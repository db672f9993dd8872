"""Tables, numbers and texts for pydantic that accept no value of another type."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticKnownError

from .messages import quoted, suggest


def _no_bool(kind: Literal["int_type", "float_type"]) -> BeforeValidator:
    """pydantic would accept true as 1."""

    def check(value: Any) -> Any:
        if isinstance(value, bool):
            raise PydanticKnownError(kind)
        return value

    return BeforeValidator(check)


# 64 bits: neither PyTorch nor a database holds more.
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63), _no_bool("int_type")]
Natural = Annotated[Whole, Field(ge=0)]
Count = Annotated[Whole, Field(ge=1)]
# Optuna's generator takes seeds below 2^32, and a study adds the number of its trials.
Seed = Annotated[Whole, Field(ge=0, lt=2**31)]
# Single precision, in which models are trained.
Number = Annotated[float, Field(ge=-1e38, le=1e38, allow_inf_nan=False), _no_bool("float_type")]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Chance = Annotated[Number, Field(gt=0, lt=1)]


def _on_one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"must be text on one line, got {quoted(text)}")
    return text


Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Name = Annotated[Text, AfterValidator(_on_one_line)]


UNKNOWN_KEY = "unknown key"


class Strict(BaseModel):
    """A frozen table that refuses unknown keys."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_key(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            refuse_unknown(data, known)
        return data


def refuse_unknown(data: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise ValidationError for the first unknown key."""
    for key in data:
        if key not in known:
            raise error_at(f"{UNKNOWN_KEY}{suggest(key, known)}", key)


def error_at(message: str, *at: str | int) -> ValidationError:
    """An error located at a key below the value that is being validated."""
    detail = InitErrorDetails(
        type="value_error", loc=at, input=None, ctx={"error": ValueError(message)}
    )
    return ValidationError.from_exception_data("file", [detail])
