"""YAML with line numbers, so that an error names the line.

Hand-written on top of PyYAML: libraries with line numbers (ruamel.yaml) neither limit aliases nor
return plain values, and PyYAML alone accepts duplicate keys and reads YAML 1.1 scalars.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from ..errors import ConfigError
from .messages import format_detail, printable

# Far beyond any study. They protect against a dataset named by mistake and against nested aliases,
# which would take minutes or all of the memory.
MAX_BYTES = 256 * 1024
MAX_DEPTH = 50
MAX_VALUES = 100_000


class YamlFile:
    """A mapping read from a YAML file: `data`, and the line of every key.

    Raises:
        FileNotFoundError: the file does not exist.
        ConfigError: not UTF-8, not YAML, empty, not a mapping, a key that is repeated or not text,
            a tag, or a file beyond the limits above.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._root, self.data = _parse(_read(path))
        except _Fault as fault:
            raise self._error(fault.line, str(fault)) from None

    def refusal(self, error: ValidationError) -> ConfigError:
        """pydantic's first error, with its line."""
        detail = error.errors()[0]
        return self.refusal_at(detail["loc"], format_detail(detail))

    def refusal_at(self, at: Sequence[str | int], message: str) -> ConfigError:
        """An error on the value at this path of keys and list positions."""
        return self._error(self._line_of(at), message)

    def _line_of(self, at: Sequence[str | int]) -> int | None:
        """The line of the deepest part of the path that the file has; None if it has none."""
        node: yaml.Node = self._root
        line = None
        for part in at:
            if isinstance(node, yaml.MappingNode):
                # The last of two: keys from a merge come before the mapping's own.
                for key, child in reversed(node.value):
                    if key.value == part:
                        line, node = key.start_mark.line, child
                        break
            elif isinstance(node, yaml.SequenceNode) and part in range(len(node.value)):
                node = node.value[int(part)]
                line = node.start_mark.line
        return line

    def _error(self, line: int | None, message: str) -> ConfigError:
        where = self.path if line is None else f"{self.path} line {line + 1}"
        return ConfigError(f"{where}: {message}")


def dump_yaml(document: dict[str, Any]) -> str:
    """A document of plain values as text that `YamlFile` and any other YAML reader understand."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Fault(Exception):  # noqa: N818 - becomes a ConfigError with the file's name
    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(message)
        self.line = line  # counted from 0


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        message = f"cannot be read: {error.strerror}; name a readable file"
        raise _Fault(None, message) from None
    if len(raw) > MAX_BYTES:
        message = f"over {MAX_BYTES // 1024} KiB, more than a config or study needs"
        raise _Fault(None, f"{message}; name another file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start)
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise _Fault(line, message) from None


def _parse(text: str) -> tuple[yaml.MappingNode, dict[str, Any]]:
    """The text's root node and its value."""
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line = len(f"{text[: error.position]}.".splitlines()) - 1
        message = f"not valid YAML: character {chr(error.character)!r} is not allowed; delete it"
        raise _Fault(line, message) from None
    try:
        root = loader.get_single_node()
        if root is None:
            raise _Fault(None, "the file is empty; write `key: value` lines")
        if not isinstance(root, yaml.MappingNode):
            raise _Fault(_line(root), "not a mapping of keys to values; write `key: value` lines")
        _check(root, {})
        return root, loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        raise _malformed(error) from None
    except (ValueError, OverflowError):  # PyYAML's reaction to "\UFFFFFFFF" and to %YAML 1.9...9
        message = "not valid YAML: a number in an escape or a directive is too large; lower it"
        raise _Fault(loader.line, message) from None


def _malformed(error: yaml.MarkedYAMLError) -> _Fault:
    problem, mark = printable(error.problem, 160), error.problem_mark
    if error.context and (start := error.context_mark):
        there = "" if mark and mark.line == start.line else f" from line {start.line + 1}"
        problem = f"{printable(error.context, 160)}{there}, {problem}"
    remedy = "check indentation (spaces, no tabs), quotes, brackets and anchors"
    return _Fault(mark.line if mark else None, f"not valid YAML: {problem}; {remedy}")


class _Extent(NamedTuple):
    """The size of a node with its aliases expanded."""

    values: int
    depth: int


def _check(node: yaml.Node, known: dict[int, _Extent | None]) -> _Extent:
    """Refuse what PyYAML would silently accept, and what it could not handle.

    Args:
        known: extents of nodes by id; None for a node that is being measured.
    """
    if id(node) in known:
        extent = known[id(node)]
        if extent is None:
            raise _Fault(_line(node), "contains an alias of itself; write the value out")
        return extent
    known[id(node)] = None
    below = [_check(child, known) for child in _children(node)]
    extent = _Extent(
        values=1 + sum(child.values for child in below),
        depth=1 + max((child.depth for child in below), default=0),
    )
    if extent.values > MAX_VALUES or extent.depth > MAX_DEPTH:
        raise _Fault(
            _line(node),
            f"over {MAX_VALUES} values or {MAX_DEPTH} levels with aliases expanded; "
            "use fewer of them",
        )
    known[id(node)] = extent
    return extent


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return node.value
    if not isinstance(node, yaml.MappingNode):
        return []
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if key.tag not in (_TEXT, _MERGE):
            found = key.value if isinstance(key, yaml.ScalarNode) else f"a {key.id}"
            raise _Fault(_line(key), f"a key must be text, got {printable(found) or 'none'}")
        if key.value in lines:
            first = lines[key.value] + 1
            message = f"{printable(key.value)} is already on line {first}; keep one of the two"
            raise _Fault(_line(key), message)
        lines[key.value] = _line(key)
    return [value for _, value in node.value]


def _line(node: yaml.Node) -> int:
    return node.start_mark.line


_STANDARD = "tag:yaml.org,2002:"
_TEXT, _MERGE = f"{_STANDARD}str", f"{_STANDARD}merge"
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


class _Loader(yaml.SafeLoader):
    """Reads YAML 1.2's plain scalars: 1e-4 is a number, `no` and 2026-01-31 are text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own attribute
    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        """Like PyYAML, but without tags, and with a limit on the depth."""
        event = self.peek_event()
        if tag := getattr(event, "tag", None):
            shown = printable(tag.replace(_STANDARD, "!!"))
            message = f"{shown} is a tag, and tags are not supported; remove it, and quote text"
            raise _Fault(event.start_mark.line, message)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = f"nested over {MAX_DEPTH} levels deep; check the brackets"
            raise _Fault(event.start_mark.line, message)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    """Quotes text that only YAML 1.2, or only YAML 1.1, would read as text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, (_pattern, _starts) in _SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_STANDARD + _tag, re.compile(rf"^(?:{_pattern})$"), _starts)


def _whole_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    """An integer of at most 64 bits: neither PyTorch nor a database holds more."""
    digits = node.value.replace("_", "")
    # Python refuses to parse thousands of digits.
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise _Fault(_line(node), f"{printable(digits)} exceeds 64 bits; write a smaller number")
    return int(digits)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Double-quoted if it has line breaks, some of which PyYAML would lose."""
    return dumper.represent_scalar(_TEXT, text, style=None if text.isprintable() else '"')


_Loader.add_constructor(f"{_STANDARD}int", _whole_number)
_Dumper.add_representer(str, _text)
