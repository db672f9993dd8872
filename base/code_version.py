"""A version of the code that computes a stored result."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np


def code_version(sources: Iterable[Path]) -> str:
    """Text that changes with the source files and with numpy's version.

    numpy is included because another version may draw other random numbers from the same seed.
    """
    digest = sha256(b"".join(path.read_bytes() for path in sorted(sources))).hexdigest()
    return f"{digest} numpy {np.__version__}"
