"""Names of demo ratings of a given size, such as `demo:1M`."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

from ...errors import DataError
from ..ratings import Ratings
from .generator import demo_ratings

SIZE_PREFIX = "demo:"

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kKmM]?)")
# A canonical name has the first unit that divides the size.
_UNITS = {"M": 1_000_000, "k": 1_000, "": 1, "m": 1_000_000, "K": 1_000}
_MAX_RATINGS = 1_000_000_000  # they take over 40 GB of memory


def demo_of_size(name: str) -> Ratings:
    """The demo ratings of a name such as `demo:250k`, `demo:1.5M` or `demo:32000000`.

    Raises:
        DataError: the size is invalid.
    """
    return replace(demo_ratings(_parse_size(name)), name=canonical_demo_name(name))


def canonical_demo_name(name: str) -> str:
    """The unique name of a size: `demo:1M` for `demo:1000k`.

    Raises:
        DataError: the size is invalid.
    """
    n_ratings = _parse_size(name)
    unit = next(unit for unit, factor in _UNITS.items() if n_ratings % factor == 0)
    return f"{SIZE_PREFIX}{n_ratings // _UNITS[unit]}{unit}"


def _parse_size(name: str) -> int:
    match = _SIZE.fullmatch(name.removeprefix(SIZE_PREFIX))
    n_ratings = Decimal(match[1]) * _UNITS[match[2]] if match else Decimal(0)
    if not 1 <= n_ratings <= _MAX_RATINGS or n_ratings % 1:
        raise DataError(
            f"{name!r} is not a valid size; write a whole number of ratings up to 1000M, such as "
            "demo:250k, demo:1.5M or demo:32000000"
        )
    return int(n_ratings)
