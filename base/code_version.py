"""What a result of the code depends on, apart from its input."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np


def code_version(sources: Iterable[Path]) -> str:
    """Text that changes with the content of the source files and with numpy's version.

    For what draws random numbers: numpy may draw others in another version.
    """
    digest = sha256(b"".join(path.read_bytes() for path in sorted(sources))).hexdigest()
    return f"{digest} numpy {np.__version__}"
