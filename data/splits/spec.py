"""How to cut ratings: a method and its values, as a study file or the command line states them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from math import isclose
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from ...base.messages import one_line, quoted
from ...base.strict import Count, Number, Seed, refuse_unknown
from ...errors import OptionError
from .methods import FOLDS, METHODS, SHARES


def _known(method: str) -> str:
    if method not in METHODS:
        raise ValueError(f"no split named {quoted(method)}; choose from {', '.join(METHODS)}")
    return method


@dataclass(frozen=True, kw_only=True)
class SplitSpec:
    """How to cut. A field is None where the method does not take it, and its default otherwise."""

    method: Annotated[str, AfterValidator(_known)] = "random"
    train: Annotated[Number, Field(gt=0, le=1)] | None = None  # share of the ratings
    validation: Annotated[Number, Field(gt=0, lt=1)] | None = None
    test: Annotated[Number, Field(ge=0, le=1)] | None = None
    k: Count | None = None  # ratings per user in validation, and in test
    seed: Seed | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_field(cls, given: Any) -> Any:
        named = given.kwargs if isinstance(given, ArgsKwargs) else given
        if isinstance(named, Mapping):
            refuse_unknown(named, [field.name for field in dataclasses.fields(cls)])
        return given

    def __post_init__(self) -> None:
        takes = METHODS[self.method].takes
        for name in ("train", "validation", "test", "k", "seed"):
            value = getattr(self, name)
            if value is None:
                object.__setattr__(self, name, takes.get(name))
            elif name not in takes:
                raise ValueError(
                    f"a {self.method} split takes no {name}, got {value}; "
                    f"leave it out (it takes {', '.join(takes)})"
                )
        shares = [getattr(self, name) for name in SHARES if name in takes]
        if len(shares) == len(SHARES) and not isclose(sum(shares), 1, rel_tol=0, abs_tol=1e-9):
            raise ValueError(
                "train, validation and test must sum to 1, got "
                f"{' + '.join(f'{share:g}' for share in shares)} = {sum(shares):g}"
            )

    @classmethod
    def parse(cls, text: str, *, seed: int | None = None) -> SplitSpec:
        """The spec of `80/10/10` or `0.8/0.1/0.1`, `temporal:80/10/10`, `leave-last-2` or `u1`.

        Args:
            seed: of the shuffle, where the method has one.

        Raises:
            OptionError: none of these forms, or a value that does not hold.
        """
        values = _read(text)
        if "seed" in METHODS[values["method"]].takes:
            values["seed"] = seed
        try:
            return cls(**values)
        except ValidationError as error:
            raise OptionError(f"split {text!r}: {one_line(error)}") from None

    def __str__(self) -> str:
        """As `parse` takes it; a seed, and a fold's validation share, are left out."""
        percent = {name: 100 * (getattr(self, name) or 0) for name in SHARES}
        return METHODS[self.method].text.format(k=self.k, **percent)

    @property
    def is_random(self) -> bool:
        """Whether chance cuts train from validation, and not time."""
        return "seed" in METHODS[self.method].takes

    def to_mapping(self) -> dict[str, Any]:
        """The method and the fields that it takes."""
        takes = METHODS[self.method].takes
        return {"method": self.method} | {name: getattr(self, name) for name in takes}


def _read_shares(match: re.Match[str]) -> dict[str, Any]:
    shares = [float(match[name]) for name in SHARES]
    total = sum(shares)
    if isclose(total, 100, rel_tol=1e-9):
        shares = [share / 100 for share in shares]
    elif not isclose(total, 1, rel_tol=1e-9):
        raise OptionError(
            f"split must sum to 100 or to 1, got {match.string!r}, which sums to {total:g}"
        )
    return {"method": match["method"] or "random", **dict(zip(SHARES, shares, strict=True))}


_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"


_FORMS: tuple[tuple[str, Callable[[re.Match[str]], dict[str, Any]]], ...] = (
    (
        r"(?:(?P<method>random|temporal):)?"
        + "/".join(rf"\s*(?P<{name}>{_NUMBER})\s*" for name in SHARES),
        _read_shares,
    ),
    (
        r"leave-last-(?P<k>[0-9]{1,9})",
        lambda match: {"method": "leave-last-k", "k": int(match["k"])},
    ),
    ("|".join(FOLDS), lambda match: {"method": match[0]}),
)


def _read(text: str) -> dict[str, Any]:
    """The method, and the values that the text gives it."""
    for pattern, values_of in _FORMS:
        if match := re.fullmatch(pattern, text.strip()):
            return values_of(match)
    raise OptionError(
        "split must be train/validation/test such as 80/10/10, temporal:80/10/10, leave-last-2, "
        f"or an official fold such as u1, got {text!r}"
    )
