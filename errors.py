"""Every error that its reader can mend, as one map. Each is told in one line.

RecsysSearchError
├── DataError         ratings that cannot be read, or are not the expected ones
├── ConfigError       a config, a study file or a space that does not hold together
│   └── OptionError   a value on the command line that cannot be meant (exit code 2)
├── StudyError        a study that is not there, or is another than the one asked for
│   └── NothingYet    a study without a completed trial (exit code 3)
├── RunError          a run folder that is missing, incomplete or in the way
└── OutputError       a file that cannot be written
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError


class RecsysSearchError(Exception):
    """Names the culprit, its value and what would work."""


class DataError(RecsysSearchError):
    pass


class ConfigError(RecsysSearchError):
    pass


class OptionError(ConfigError):
    pass


class StudyError(RecsysSearchError):
    pass


class NothingYet(StudyError):  # noqa: N818 - a state of the study, no fault of anyone's
    pass


class RunError(RecsysSearchError):
    pass


class OutputError(RecsysSearchError):
    pass


# pydantic's words for what is wrong, in the form "NAME must be ..., got VALUE".
_DEMANDS = {
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "literal_error": "{expected}",
    "too_short": "a list of at least {min_length}",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dataclass_type": "a table",
    "finite_number": "finite",
}


def one_line(error: ValidationError) -> str:
    """The first thing that pydantic found wrong: `dropout must be less than 1, got 1.5`."""
    return describe(error.errors()[0])


def describe(detail: Any) -> str:
    """One entry of `ValidationError.errors()` in this project's words."""
    name = ".".join(str(part) for part in detail["loc"]) or "the file"
    kind, value = detail["type"], detail.get("input")
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"no field named {name!r}"
    if kind in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{name} is missing"
    if kind == "value_error":
        message = str(detail["ctx"]["error"])
        return f"{name}: {message}" if detail["loc"] else message
    if demand := _DEMANDS.get(kind):
        return f"{name} must be {demand.format(**detail.get('ctx', {}))}, got {value!r}"
    return f"{name}: {detail['msg']}, got {value!r}"
