"""Plain text and JSON on the two streams; imports nothing heavy."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any

from ...base.files import is_stdout
from ...base.interrupts import EXIT_CODES
from ...errors import OptionError


def print_json(document: Any) -> None:
    """One JSON document on stdout; numbers that are not finite become null."""
    sys.stdout.write(json.dumps(_finite(document), indent=2) + "\n")


@contextmanager
def interruptible(last_line: Callable[[], str]) -> Iterator[None]:
    """Ends the command with one last line if a signal ends the block.

    Args:
        last_line: returns that line; an empty one is not printed.

    Raises:
        SystemExit: 130 after Ctrl-C; after other signals 128 and their number.
    """
    try:
        yield
        return
    except KeyboardInterrupt:
        code = 130
    except SystemExit as leaving:
        if not isinstance(leaving.code, int) or leaving.code not in EXIT_CODES.values():
            raise
        code = leaving.code
    if line := last_line():
        notify(line)
    raise SystemExit(code)


def check_stdout_is_free(option: str, path: Path | None, as_json: bool) -> None:
    """Refuse an output on stdout next to the JSON document.

    Raises:
        OptionError: both would go to stdout.
    """
    if as_json and is_stdout(path):
        raise OptionError(
            f"{option} {path} and --json both write to stdout; leave out one of them, or name a "
            "file"
        )


def notify(message: str) -> None:
    """One line on stderr."""
    sys.stderr.write(message + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): _finite(part) for name, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value
