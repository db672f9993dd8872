"""The rich consoles of stdout and stderr."""

from __future__ import annotations

import sys

from rich.console import Console

# Without a terminal to set the width, lines are as long as they need to be, so that grep works.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 2000)
err = Console(stderr=True, highlight=False)

WIDE = 110  # columns from which on tables show their less important columns too
NARROW = 80  # columns of a paragraph
