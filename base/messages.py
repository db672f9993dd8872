"""How an error message shows names, values and what pydantic found."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError


def quoted(value: object) -> str:
    """A value as an error names it: on one line, and not too long for one."""
    return _cut(repr(value), 80)


def plain(name: object, most: int = 60) -> str:
    """A name as an error names it: without quotes, unless it would not stay on its line."""
    text = str(name)
    return _cut(text if text.isprintable() else repr(text), most)


def near(name: object, known: Iterable[str]) -> str:
    """The end of an error on a name: the one that was meant, or all there are."""
    names = list(known)
    close = get_close_matches(str(name), names, n=1)
    if close:
        return f"; did you mean {plain(close[0])}?"
    return f"; choose from {plain(', '.join(names), 400)}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def in_a_line(error: BaseException, most: int = 500) -> str:
    """Someone else's error: its kind, and its text on one line."""
    text = " ".join(str(error).split())
    kind = type(error).__name__
    return _cut(f"{kind}: {text}" if text else kind, most)


# pydantic's words for what is wrong, in the form "NAME must be ..., got VALUE".
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
}


def one_line(error: ValidationError) -> str:
    """The first thing that pydantic found wrong: `dropout must be less than 1, got 1.5`."""
    return describe(error.errors()[0])


def told(detail: Any) -> str:
    """One entry of `ValidationError.errors()`: `space hybrid.dropout: low 0.5 is above high 0.2`.

    Places in a list are left out, because the line says them.
    """
    names = [part for part in detail["loc"] if isinstance(part, str)]
    if detail["type"] != "value_error":
        before, names = names[:-1], names[-1:]
        message = describe({**detail, "loc": names})
    else:
        before, message = names, str(detail["ctx"]["error"])
    return f"{' '.join(map(plain, before))}: {message}" if before else message


def describe(detail: Any) -> str:
    """One entry of `ValidationError.errors()` in this project's words."""
    name = ".".join(map(plain, detail["loc"])) or "the file"
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
