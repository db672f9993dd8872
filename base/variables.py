"""Environment variables in a file's values: `${NAME}`, `${NAME:-default}`, `${NAME-default}`.

As in a shell, `:-` takes the default if the variable is unset or empty, `-` only if it is unset. In
a value with a `${`, `$$` is a literal `$`. A value without a `${` stays as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import yaml

from .messages import quoted

# Anything but a closing brace or the start of another variable.
_DEFAULT = r"(?:\$\$|\$(?!\{)|[^}$])*"
# A variable; or else a `$$`, or a `${` that starts no variable.
_USE = re.compile(rf"\$\$|\$\{{(?:([A-Za-z_]\w*)(?:(:?-)({_DEFAULT}))?\}})?", re.ASCII)
_UNPRINTABLE = yaml.reader.Reader.NON_PRINTABLE

_ON_ONE_LINE = re.compile(r"\$\{[^}\r\n\x85\u2028\u2029]*\}")
# Unicode's noncharacters are meant for a program's own use.
_MASK = {ord(char): chr(0xFDD0 + n) for n, char in enumerate("{}[],:#?")}
_UNMASK = {ord(mask): chr(char) for char, mask in _MASK.items()}
MASKS = re.compile(f"[{''.join(_MASK.values())}]")


def mask_variables(text: str) -> str:
    """YAML in which variables have no characters with a meaning in YAML.

    A variable can then stand unquoted in a flow mapping, as in `{max_epochs: ${EPOCHS:-30}}`.
    """
    return _ON_ONE_LINE.sub(lambda use: use[0].translate(_MASK), text)


def unmask_variables(text: str) -> str:
    return text.translate(_UNMASK)


def substitute_variables(text: str, max_length: int) -> str:
    """The text with the values of its variables.

    Raises:
        ValueError: a variable that is not set or not printable, a `${` that is not a variable, or
            a result longer than `max_length`.
    """
    if "${" not in text:
        return text
    parts, length = [], 0
    for part in _parts(text):
        length += len(part)
        if length > max_length:
            raise ValueError("too long with the values of its variables; set shorter ones")
        parts.append(part)
    return "".join(parts)


def escape_variables(text: str) -> str:
    """What `substitute_variables` turns into the text."""
    return text.replace("$", "$$") if "${" in text else text


def _parts(text: str) -> Iterator[str]:
    end = 0
    for use in _USE.finditer(text):
        yield text[end : use.start()]
        end = use.end()
        if use[0] == "$$":
            yield "$"
        elif use[1] is None:
            raise ValueError(
                f"{quoted(text[use.start() :])} does not start with a variable; write ${{NAME}} or "
                "${NAME:-default}, or $${ for a literal ${"
            )
        else:
            yield _value(*use.groups())
    yield text[end:]


def _value(name: str, dash: str | None, default: str | None) -> str:
    value = os.environ.get(name)
    if value is None or (not value and dash == ":-"):
        if default is None:
            raise ValueError(
                f"variable {name} is not set; set it, or write ${{{name}:-default}} "
                f"(as literal text: $${{{name}}})"
            )
        return default.replace("$$", "$")
    if found := _UNPRINTABLE.search(value):
        raise ValueError(
            f"variable {name} has the character {found[0]!r}, which is not allowed; "
            "set it to printable text"
        )
    return value
