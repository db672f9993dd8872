"""YAML that remembers its lines, so that an error can say where the culprit stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from ..errors import ConfigError
from .messages import plain, told

# Far beyond any study. They keep a dataset named by mistake, or aliases of aliases of aliases,
# from taking minutes or all of the memory.
MAX_BYTES = 256 * 1024
MAX_DEPTH = 50
MAX_VALUES = 100_000


class YamlFile:
    """A mapping read from a YAML file: `data`, and the line of every key in it.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigError: not UTF-8, not YAML, empty, no mapping, a key that stands there twice or is no
            text, a tag, or more than one file should hold.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._root, self.data = _parse(_read(path))
        except _Fault as fault:
            raise self._error(fault.line, str(fault)) from None

    def refusal(self, error: ValidationError) -> ConfigError:
        """pydantic's first error, with the line on which its culprit stands."""
        detail = error.errors()[0]
        return self.refusal_at(detail["loc"], told(detail))

    def refusal_at(self, at: Sequence[str | int], message: str) -> ConfigError:
        """An error on the value that these keys and places in lists lead to."""
        return self._error(self._line_of(at), message)

    def _line_of(self, at: Sequence[str | int]) -> int | None:
        """The line of the deepest key on the way that the file has, if it has one."""
        node: yaml.Node = self._root
        line = None
        for part in at:
            if isinstance(node, yaml.MappingNode):
                # The last of two: what a merge key brings comes before the mapping's own.
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
    """A document of plain values as text that `YamlFile`, or any other reader, takes for it."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Fault(Exception):  # noqa: N818 - becomes a ConfigError once it has the file's name
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
        message = f"cannot be read: {error.strerror}; name a file that you may read"
        raise _Fault(None, message) from None
    if len(raw) > MAX_BYTES:
        message = f"over {MAX_BYTES // 1024} KiB, more than a config or a study holds"
        raise _Fault(None, f"{message}; name another file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start)
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise _Fault(line, message) from None


def _parse(text: str) -> tuple[yaml.MappingNode, dict[str, Any]]:
    """The text's root node and what it stands for."""
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
    except (ValueError, OverflowError):  # what PyYAML makes of "\UFFFFFFFF" and of %YAML 1.9...9
        message = "not valid YAML: a number in an escape or a directive is too large; lower it"
        raise _Fault(loader.line, message) from None


def _malformed(error: yaml.MarkedYAMLError) -> _Fault:
    problem, mark = plain(error.problem, 160), error.problem_mark
    if error.context and (begun := error.context_mark):
        there = "" if mark and mark.line == begun.line else f" from line {begun.line + 1}"
        problem = f"{plain(error.context, 160)}{there}, {problem}"
    remedy = "check indentation (spaces, no tabs), quotes, brackets and anchors"
    return _Fault(mark.line if mark else None, f"not valid YAML: {problem}; {remedy}")


class _Extent(NamedTuple):
    """How much a node stands for, its aliases written out."""

    values: int
    depth: int


def _check(node: yaml.Node, known: dict[int, _Extent | None]) -> _Extent:
    """Refuses what PyYAML would take without a word, and what it would choke on.

    Args:
        known: the extents of nodes by id; None while a node's own is being found.
    """
    if id(node) in known:
        extent = known[id(node)]
        if extent is None:
            raise _Fault(_line(node), "holds an alias of itself; write the value out")
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
            f"over {MAX_VALUES} values or {MAX_DEPTH} levels with its aliases written out; "
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
            raise _Fault(_line(key), f"a key must be text, got {plain(found) or 'none'}")
        if key.value in lines:
            first = lines[key.value] + 1
            message = f"{plain(key.value)} stands on line {first} already; keep one of the two"
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
    """YAML 1.2's plain scalars: 1e-4 is a number, and `no` and 2026-01-31 are text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own attribute
    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        """As PyYAML does, but without tags, and never so deep that Python gives up."""
        event = self.peek_event()
        if tag := getattr(event, "tag", None):
            shown = plain(tag.replace(_STANDARD, "!!"))
            message = f"{shown} is a tag, and none is taken; leave it out, and quote what is text"
            raise _Fault(event.start_mark.line, message)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = f"nested over {MAX_DEPTH} levels deep; check the brackets"
            raise _Fault(event.start_mark.line, message)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    """Quotes what is plain text to YAML 1.2 alone, or to YAML 1.1 alone."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, (_pattern, _starts) in _SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_STANDARD + _tag, re.compile(rf"^(?:{_pattern})$"), _starts)


def _whole_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    """What fits into 64 bits: neither PyTorch nor a database takes more."""
    digits = node.value.replace("_", "")
    # Python itself refuses to read thousands of digits.
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise _Fault(_line(node), f"{plain(digits)} is beyond 64 bits; write a smaller number")
    return int(digits)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Between double quotes where a line would break: PyYAML itself loses some breaks."""
    return dumper.represent_scalar(_TEXT, text, style=None if text.isprintable() else '"')


_Loader.add_constructor(f"{_STANDARD}int", _whole_number)
_Dumper.add_representer(str, _text)
