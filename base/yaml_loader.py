"""How YAML is read and written: YAML 1.2's plain scalars, limits, and variables in values."""

from __future__ import annotations

import re
from typing import Any

import yaml

from .messages import printable
from .variables import substitute_variables, unmask_variables

# Far beyond any study. The limits protect against a dataset named by mistake and against nested
# aliases, which would take minutes or all of the memory.
MAX_BYTES = 256 * 1024
MAX_DEPTH = 50
MAX_VALUES = 100_000


class Fault(Exception):  # noqa: N818 - becomes a ConfigError with the file's name
    """What is wrong in a YAML text, and on which line, if that is known."""

    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(message)
        self.line = line  # counted from 0


def line_of(node: yaml.Node) -> int:
    return node.start_mark.line


def children_of(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [value for _, value in node.value]
    return node.value if isinstance(node, yaml.SequenceNode) else []


_STANDARD = "tag:yaml.org,2002:"
TEXT, MERGE = f"{_STANDARD}str", f"{_STANDARD}merge"
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


class Loader(yaml.SafeLoader):
    """Reads YAML 1.2's plain scalars: 1e-4 is a number, `no` and 2026-01-31 are text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own attribute
    _depth = 0

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.anchored: list[yaml.Node] = []
        self._substituted: set[int] = set()  # ids of nodes
        self._spare = MAX_BYTES - len(text)  # characters that variables may add

    def substitute(self, node: yaml.Node) -> None:
        """Replace variables by their values in all scalars below the node, except keys.

        A scalar is replaced by another node, because an alias may make it a key elsewhere.
        """
        if id(node) in self._substituted:
            return
        self._substituted.add(id(node))
        for place, child in enumerate(children_of(node)):
            if isinstance(child, yaml.ScalarNode):
                child = self._substituted_scalar(child)
                is_pair = isinstance(node, yaml.MappingNode)
                node.value[place] = (node.value[place][0], child) if is_pair else child
            else:
                self.substitute(child)

    def _substituted_scalar(self, node: yaml.ScalarNode) -> yaml.ScalarNode:
        """A plain scalar gets the type that it would have if the value were written there."""
        limit = self._spare + len(node.value)
        try:
            value = substitute_variables(node.value, limit)
        except ValueError as error:
            raise Fault(line_of(node), str(error)) from None
        self._spare = limit - len(value)
        if value == node.value:
            return node
        tag = node.tag
        if node.style is None:  # plain
            value = value.strip()
            tag = self.resolve(yaml.ScalarNode, value, (True, False))
        return yaml.ScalarNode(tag, value, node.start_mark, node.end_mark, style=node.style)

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        """Like PyYAML, but without tags, and with a limit on the depth."""
        event = self.peek_event()
        if tag := getattr(event, "tag", None):
            shown = printable(tag.replace(_STANDARD, "!!"))
            message = f"{shown} is a tag, and tags are not supported; remove it, and quote text"
            raise Fault(event.start_mark.line, message)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = f"nested over {MAX_DEPTH} levels deep; check the brackets"
            raise Fault(event.start_mark.line, message)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node and event.anchor and not isinstance(event, yaml.AliasEvent):
            self.anchored.append(node)
        if isinstance(node, yaml.ScalarNode):
            node.value = unmask_variables(node.value)
        return node


class Dumper(yaml.SafeDumper):
    """Quotes text that only YAML 1.2, or only YAML 1.1, would read as text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, (_pattern, _starts) in _SCALARS.items():
    for _class in (Loader, Dumper):
        _class.add_implicit_resolver(_STANDARD + _tag, re.compile(rf"^(?:{_pattern})$"), _starts)


def _whole_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    """An integer of at most 64 bits: neither PyTorch nor a database holds more."""
    digits = node.value.replace("_", "")
    # Python refuses to parse thousands of digits.
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise Fault(line_of(node), f"{printable(digits)} exceeds 64 bits; write a smaller number")
    return int(digits)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Double-quoted if it has line breaks, some of which PyYAML would lose."""
    return dumper.represent_scalar(TEXT, text, style=None if text.isprintable() else '"')


Loader.add_constructor(f"{_STANDARD}int", _whole_number)
Dumper.add_representer(str, _text)
