"""How error messages show names, values, other errors, and what pydantic found."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError


def quoted(value: object) -> str:
    """A value as an error shows it: on one line, cut if it is long."""
    return _cut(repr(value), 80)


def printable(name: object, max_length: int = 60) -> str:
    """A name as an error shows it: without quotes, unless it has unprintable characters."""
    text = str(name)
    return _cut(text if text.isprintable() else repr(text), max_length)


def suggest(name: object, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the closest known one, or all of them."""
    names = list(known)
    close = get_close_matches(str(name), names, n=1)
    if close:
        return f"; did you mean {printable(close[0])}?"
    return f"; choose from {printable(', '.join(names), 400)}"


def _cut(text: str, max_length: int) -> str:
    return text if len(text) <= max_length else f"{text[: max_length - 3]}..."


def format_error(error: BaseException, max_length: int = 500) -> str:
    """An error from outside of this package: its type, and its text on one line."""
    text = " ".join(str(error).split())
    kind = type(error).__name__
    return _cut(f"{kind}: {text}" if text else kind, max_length)


# pydantic's error types, as they read in "NAME must be ..., got VALUE".
_DEMANDS = {
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of at most 64 bits",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dataclass_type": "a table",
    "finite_number": "a finite number",
    "string_too_short": "text of at least {min_length} characters",
    "string_unicode": "valid Unicode",
    "json_invalid": "valid JSON",
}


def format_validation_error(error: ValidationError) -> str:
    """The first error that pydantic found: `dropout must be less than 1, got 1.5`."""
    return describe_detail(error.errors()[0])


def format_detail(detail: Any) -> str:
    """One entry of `ValidationError.errors()`: `space hybrid.dropout: low 0.5 is above high 0.2`.

    Positions in a list are left out, because the message names the line.
    """
    # pydantic adds the member of a union, such as `function-after[...]` or `literal['auto']`.
    names = [part for part in detail["loc"] if isinstance(part, str) and "[" not in part]
    if detail["type"] != "value_error":
        before, names = names[:-1], names[-1:]
        message = describe_detail({**detail, "loc": names})
    else:
        before, message = names, str(detail["ctx"]["error"])
    return f"{' '.join(map(printable, before))}: {message}" if before else message


def describe_detail(detail: Any) -> str:
    """One entry of `ValidationError.errors()`, without the path to it."""
    name = ".".join(map(printable, detail["loc"])) or "the file"
    kind, value = detail["type"], quoted(detail.get("input"))
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"no field named {name!r}"
    if kind in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{name} is missing; add it"
    if kind == "value_error":
        message = str(detail["ctx"]["error"])
        return f"{name}: {message}" if detail["loc"] else message
    if demand := _DEMANDS.get(kind):
        limits = {
            key: f"{limit:g}" if isinstance(limit, float) else limit
            for key, limit in detail.get("ctx", {}).items()
        }
        return f"{name} must be {demand.format(**limits)}, got {value}"
    return f"{name}: {detail['msg']}, got {value}"


def format_seconds(seconds: float) -> str:
    """A duration with its unit, such as 40 s, 12 min or 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
