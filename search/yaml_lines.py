"""YAML that remembers its lines, so that an error can say where the culprit stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..errors import ConfigError, describe


class YamlFile:
    """A mapping read from a YAML file: `data`, and the line of every key in it.

    Raises:
        ConfigError: not UTF-8, not YAML, empty, no mapping, or a key that stands there twice.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        text = self._read(path)
        try:
            loader = _Loader(text)
            node = loader.get_single_node()
            self._root = self._checked(node)
            self.data: dict[str, Any] = loader.construct_document(node)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = ", ".join(filter(None, (error.context, error.problem)))
            raise self._error(mark.line if mark else None, f"not valid YAML: {problem}") from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position)
            message = f"not valid YAML: character {chr(error.character)!r} is not allowed"
            raise self._error(line, message) from None
        except (ValueError, RecursionError) as error:
            raise self._error(None, f"not valid YAML: {error}") from None

    def refusal(self, error: ValidationError) -> ConfigError:
        """pydantic's first error, with the line on which its culprit stands."""
        detail = error.errors()[0]
        return self._error(self._line_of(detail["loc"]), told(detail))

    def _read(self, path: Path) -> str:
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start)
            raise self._error(line, "not UTF-8 text; save the file as UTF-8") from None

    def _checked(self, node: yaml.Node | None) -> yaml.MappingNode:
        if node is None:
            raise self._error(None, "the file is empty")
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node.start_mark.line, "not a mapping of keys to values")
        self._refuse_duplicates(node, set())
        return node

    def _refuse_duplicates(self, node: yaml.Node, seen: set[int]) -> None:
        """PyYAML would keep the last of two equal keys and say nothing."""
        if id(node) in seen:  # an alias
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for child in node.value:
                self._refuse_duplicates(child, seen)
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, child in node.value:
                line = key.start_mark.line
                if isinstance(key, yaml.ScalarNode):
                    if key.value in lines:
                        first = lines[key.value] + 1
                        raise self._error(line, f"{key.value} stands on line {first} already")
                    lines[key.value] = line
                self._refuse_duplicates(child, seen)

    def _line_of(self, loc: Sequence[str | int]) -> int | None:
        """The line of the deepest key on the way to `loc` that the file has, if it has one."""
        node: yaml.Node = self._root
        line = None
        for part in loc:
            if isinstance(node, yaml.MappingNode):
                for key, child in node.value:
                    if key.value == str(part):
                        line, node = key.start_mark.line, child
                        break
            elif isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line
        return line

    def _error(self, line: int | None, message: str) -> ConfigError:
        where = self.name if line is None else f"{self.name} line {line + 1}"
        return ConfigError(f"{where}: {message}")


def told(detail: Any) -> str:
    """One entry of `ValidationError.errors()`: `space hybrid.dropout: low 0.5 is above high 0.2`.

    Places in a list are left out, because the line says them.
    """
    names = [part for part in detail["loc"] if isinstance(part, str)]
    if detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])
        return f"{' '.join(names)}: {message}" if names else message
    message = describe({**detail, "loc": names[-1:]})
    return f"{' '.join(names[:-1])}: {message}" if names[:-1] else message


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain scalars: 1e-4 is a number, and `no` and 2026-01-31 are text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own attribute


_SCALARS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(0|[1-9][0-9_]*)", list("-+0123456789")),
    "float": (
        r"[-+]?([0-9][0-9_]*(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf)|\.(nan|NaN)",
        list("-+0123456789."),
    ),
    "merge": (r"<<", ["<"]),
}
for _tag, (_pattern, _starts) in _SCALARS.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _starts
    )
