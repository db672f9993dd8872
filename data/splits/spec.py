"""The split of a study or a run: a method and its values."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from math import isclose
from string import Formatter
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from ...base.messages import format_validation_error, quoted
from ...base.strict import Count, Number, Seed, refuse_unknown
from ...errors import OptionError
from .methods import METHODS, SHARES


def _check_method(method: str) -> str:
    if method not in METHODS:
        raise ValueError(f"no split named {quoted(method)}; choose from {', '.join(METHODS)}")
    return method


@dataclass(frozen=True, kw_only=True)
class SplitSpec:
    """How to split. A field is None if the method does not take it, and else has a default."""

    method: Annotated[str, AfterValidator(_check_method)] = "random"
    train: Annotated[Number, Field(gt=0, le=1)] | None = None  # share of the ratings
    validation: Annotated[Number, Field(gt=0, lt=1)] | None = None
    test: Annotated[Number, Field(ge=0, le=1)] | None = None
    k: Count | None = None  # ratings per user in validation, and in test
    seed: Seed | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_fields(cls, data: Any) -> Any:
        fields = data.kwargs if isinstance(data, ArgsKwargs) else data
        if isinstance(fields, Mapping):
            refuse_unknown(fields, [field.name for field in dataclasses.fields(cls)])
        return data

    def __post_init__(self) -> None:
        defaults = METHODS[self.method].defaults
        for field in dataclasses.fields(self):
            name, value = field.name, getattr(self, field.name)
            if name == "method":
                continue
            if value is None:
                object.__setattr__(self, name, defaults.get(name))
            elif name not in defaults:
                raise ValueError(
                    f"a {self.method} split takes no {name}, got {value}; "
                    f"leave it out (it takes {', '.join(defaults)})"
                )
        shares = [getattr(self, name) for name in SHARES if name in defaults]
        if len(shares) == len(SHARES) and not isclose(sum(shares), 1, rel_tol=0, abs_tol=1e-9):
            raise ValueError(
                "train, validation and test must sum to 1, got "
                f"{' + '.join(f'{share:g}' for share in shares)} = {sum(shares):g}"
            )

    @classmethod
    def parse(cls, text: str, *, seed: int | None = None) -> SplitSpec:
        """The spec of `80/10/10` or `0.8/0.1/0.1`, `temporal:80/10/10`, `leave-last-2` or `u1`.

        Args:
            seed: for the shuffle; ignored if the method has none.

        Raises:
            OptionError: the text has none of these forms, or a value is invalid.
        """
        values = _parse(text)
        if "seed" in METHODS[values["method"]].defaults:
            values["seed"] = seed
        try:
            return cls(**values)
        except ValidationError as error:
            raise OptionError(f"split {text!r}: {format_validation_error(error)}") from None

    def __str__(self) -> str:
        """The text that `parse` reads, without a seed or a fold's validation share."""
        percent = {name: 100 * (getattr(self, name) or 0) for name in SHARES}
        return METHODS[self.method].forms[0].format(k=self.k, **percent)

    @property
    def is_random(self) -> bool:
        """Whether train and validation are drawn at random, rather than by time."""
        return "seed" in METHODS[self.method].defaults

    def values(self) -> dict[str, Any]:
        """The fields that the method takes."""
        return {name: getattr(self, name) for name in METHODS[self.method].defaults}

    def to_mapping(self) -> dict[str, Any]:
        """The method and the fields that it takes."""
        return {"method": self.method, **self.values()}


_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_FIELD_PATTERNS = {
    **{name: rf"\s*(?P<{name}>{_NUMBER})\s*" for name in SHARES},
    "k": r"(?P<k>[0-9]{1,9})",
}


def _parse(text: str) -> dict[str, Any]:
    """The method, and the values that the text states."""
    for name, method in METHODS.items():
        for form in method.forms:
            if match := re.fullmatch(_pattern(form), text.strip()):
                return {"method": name, **_values(match)}
    *examples, last = (str(SplitSpec(method=name)) for name in METHODS)
    raise OptionError(f"split must look like {', '.join(examples)} or {last}, got {text!r}")


def _pattern(form: str) -> str:
    """The regular expression of a format string."""
    return "".join(
        re.escape(literal) + (_FIELD_PATTERNS[name] if name else "")
        for literal, name, _, _ in Formatter().parse(form)
    )


def _values(match: re.Match[str]) -> dict[str, float]:
    """The matched fields, with percentages turned into shares."""
    values = {
        name: float(text) if name in SHARES else int(text)
        for name, text in match.groupdict().items()
    }
    shares = {name: value for name, value in values.items() if name in SHARES}
    total = sum(shares.values())
    if not shares or isclose(total, 1, rel_tol=1e-9):
        return values
    if isclose(total, 100, rel_tol=1e-9):
        return values | {name: share / 100 for name, share in shares.items()}
    raise OptionError(
        f"split must sum to 100 or to 1, got {match.string!r}, which sums to {total:g}"
    )
