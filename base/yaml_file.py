"""YAML with line numbers, so that an error names the line.

Hand-written on top of PyYAML: libraries with line numbers (ruamel.yaml) neither limit aliases nor
return plain values, and PyYAML alone accepts duplicate keys and reads YAML 1.1 scalars.

Values may contain environment variables (see `variables.py`). Top-level keys that start with `x-`
are ignored: they are a place for anchors, as in compose files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from ..errors import ConfigError
from .messages import format_detail, printable
from .strict import UNKNOWN_KEY
from .variables import MASKS, escape_variables, mask_variables, unmask_variables
from .yaml_loader import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    MERGE,
    TEXT,
    Dumper,
    Fault,
    Loader,
    children_of,
    line_of,
)


class YamlFile:
    """A mapping read from a YAML file: `data`, and the line of every key.

    Raises:
        FileNotFoundError: the file does not exist.
        ConfigError: not UTF-8, not YAML, empty, not a mapping, a key that is repeated or not text,
            a tag, a variable that is not set, or a file beyond the limits of `yaml_loader`.
    """

    def __init__(self, path: Path, verbatim: Collection[str] = ()) -> None:
        """Args: verbatim: top-level keys in whose values variables stay as they are written."""
        self.path = path
        try:
            self._root, self._anchored, self.data = _parse(_read(path), verbatim)
        except Fault as fault:
            line = None if fault.line is None else fault.line + 1
            raise self._error(line, str(fault)) from None

    def refusal(self, error: ValidationError) -> ConfigError:
        """pydantic's first error, with its line."""
        detail = error.errors()[0]
        at, message = detail["loc"], format_detail(detail)
        if UNKNOWN_KEY in message and len(at) == 1 and self._has_anchor(at[0]):
            message += f" (if it only holds anchors, name it x-{printable(at[0])})"
        return self.refusal_at(at, message)

    def refusal_at(self, at: Sequence[str | int], message: str) -> ConfigError:
        """An error on the value at this path of keys and list positions."""
        return self._error(self.line_of(at), message)

    def line_of(self, at: Sequence[str | int]) -> int | None:
        """Line number, from 1, of the deepest part of the path in the file; None if it has none."""
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
        return None if line is None else line + 1

    def _has_anchor(self, key: int | str) -> bool:
        """Whether the value of a top-level key is an anchor or contains one."""
        values = [value for name, value in self._root.value if name.value == key]
        return any(
            value.start_mark.index <= anchored.start_mark.index < value.end_mark.index
            for value in values
            for anchored in self._anchored
        )

    def _error(self, line: int | None, message: str) -> ConfigError:
        where = self.path if line is None else f"{self.path} line {line}"
        return ConfigError(f"{where}: {message}")


def dump_yaml(document: dict[str, Any]) -> str:
    """A document of plain values as text that `YamlFile` and any other YAML reader understand.

    A literal `${` is written as `$${`, which only `YamlFile` turns back.
    """
    return yaml.dump(_escape(document), Dumper=Dumper, sort_keys=False, allow_unicode=True)


def flow_yaml(value: Any) -> str:
    """A plain value on one line, as a YAML file may contain it, such as `{float: [0.1, 0.5]}`."""
    text = yaml.dump(
        _escape(value),
        Dumper=Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=True,
        width=float("inf"),
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _escape(value: Any) -> Any:
    """The value with its texts escaped, at every level, but not its keys."""
    if isinstance(value, str):
        return escape_variables(value)
    if isinstance(value, Mapping):
        return {key: _escape(item) for key, item in value.items()}
    return [_escape(item) for item in value] if isinstance(value, list | tuple) else value


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        message = f"cannot be read: {error.strerror}; name a readable file"
        raise Fault(None, message) from None
    if len(raw) > MAX_BYTES:
        message = f"over {MAX_BYTES // 1024} KiB, more than a config or study needs"
        raise Fault(None, f"{message}; name another file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start)
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise Fault(line, message) from None


def _parse(
    text: str, verbatim: Collection[str]
) -> tuple[yaml.MappingNode, list[yaml.Node], dict[str, Any]]:
    """The text's root node, the nodes with an anchor, and the value."""
    if found := MASKS.search(text):
        raise _unprintable(text, found.start())
    try:
        loader = Loader(mask_variables(text))
    except yaml.reader.ReaderError as error:
        raise _unprintable(text, error.position) from None
    try:
        root = loader.get_single_node()
        if root is None:
            raise Fault(None, "the file is empty; write `key: value` lines")
        if not isinstance(root, yaml.MappingNode):
            raise Fault(line_of(root), "not a mapping of keys to values; write `key: value` lines")
        _check_keys(root)
        root.value = [pair for pair in root.value if not _is_ignored(pair[0].value)]
        _check(root, {})
        kept = [pair for pair in root.value if pair[0].value in verbatim]
        root.value = [pair for pair in root.value if pair[0].value not in verbatim]
        loader.substitute(root)
        root.value += kept
        data = loader.construct_document(root)
        return (
            root,
            loader.anchored,
            {key: value for key, value in data.items() if not _is_ignored(key)},
        )
    except yaml.MarkedYAMLError as error:
        raise _malformed(error) from None
    except (ValueError, OverflowError):  # PyYAML's reaction to "\UFFFFFFFF" and to %YAML 1.9...9
        message = "not valid YAML: a number in an escape or a directive is too large; lower it"
        raise Fault(loader.line, message) from None


def _is_ignored(key: str) -> bool:
    return key.startswith("x-")


def _unprintable(text: str, position: int) -> Fault:
    line = len(f"{text[:position]}.".splitlines()) - 1
    message = f"not valid YAML: character {text[position]!r} is not allowed; delete it"
    return Fault(line, message)


def _malformed(error: yaml.MarkedYAMLError) -> Fault:
    problem, mark = printable(unmask_variables(error.problem or ""), 160), error.problem_mark
    if error.context and (start := error.context_mark):
        there = "" if mark and mark.line == start.line else f" from line {start.line + 1}"
        problem = f"{printable(error.context, 160)}{there}, {problem}"
    remedy = "check indentation (spaces, no tabs), quotes, brackets and anchors"
    return Fault(mark.line if mark else None, f"not valid YAML: {problem}; {remedy}")


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
            raise Fault(line_of(node), "contains an alias of itself; write the value out")
        return extent
    known[id(node)] = None
    _check_keys(node)
    below = [_check(child, known) for child in children_of(node)]
    extent = _Extent(
        values=1 + sum(child.values for child in below),
        depth=1 + max((child.depth for child in below), default=0),
    )
    if extent.values > MAX_VALUES or extent.depth > MAX_DEPTH:
        raise Fault(
            line_of(node),
            f"over {MAX_VALUES} values or {MAX_DEPTH} levels with aliases expanded; "
            "use fewer of them",
        )
    known[id(node)] = extent
    return extent


def _check_keys(node: yaml.Node) -> None:
    """Refuse keys that are not text, and repeated ones."""
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if key.tag not in (TEXT, MERGE):
            found = key.value if isinstance(key, yaml.ScalarNode) else f"a {key.id}"
            raise Fault(line_of(key), f"a key must be text, got {printable(found) or 'none'}")
        if key.value in lines:
            first = lines[key.value] + 1
            message = f"{printable(key.value)} is already on line {first}; keep one of the two"
            raise Fault(line_of(key), message)
        lines[key.value] = line_of(key)
