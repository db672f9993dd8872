"""The rich consoles of stdout and stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment


class _Trimmed:
    """A renderable without the trailing blanks with which rich pads the columns of a table."""

    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in Segment.split_lines(console.render(self._renderable, options)):
            yield from _trim(line)
            yield Segment.line()


class _Trim(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Trimmed(renderable) for renderable in renderables]


def _trim(line: Sequence[Segment]) -> Iterator[Segment]:
    text = "".join(segment.text for segment in line).rstrip(" ")
    left = len(text)
    for segment in line:
        yield segment._replace(text=segment.text[:left])
        left = max(0, left - len(segment.text))


# Without a terminal to set the width, lines are as long as they need to be, so that grep works.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 2000)
out.push_render_hook(_Trim())
err = Console(stderr=True, highlight=False)


def is_terminal() -> bool:
    """Whether stdout is a terminal, and not a pipe or a file."""
    return sys.stdout.isatty()


WIDE = 110  # columns from which on tables show their less important columns too
NARROW = 80  # columns of a paragraph
