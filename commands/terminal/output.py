"""Plain text and JSON on the two streams; imports nothing heavy."""

from __future__ import annotations

import json
import sys
from math import isfinite
from typing import Any


def print_json(document: Any) -> None:
    """One JSON document on stdout; numbers that are not finite become null."""
    sys.stdout.write(json.dumps(_finite(document), indent=2) + "\n")


def notify(message: str) -> None:
    """One line on stderr."""
    sys.stderr.write(message + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): _finite(part) for name, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value
