"""Durations such as `1d`, `2h`, `10m`, `90s`, `1h30m` or `01:30:00`; SLURM's `1-12:00:00` too."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import AfterValidator

from ...base.messages import quoted
from ...errors import ConfigError, OptionError

_UNITS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)", re.ASCII)
_UNIT_S = (86_400, 3600, 60, 1)


def parse_duration(text: str) -> float:
    """The duration in seconds.

    Raises:
        OptionError: the text is not a duration, or not above zero.
    """
    parts = _UNITS.fullmatch(text.strip()) or _CLOCK.fullmatch(text.strip())
    values = [float(part or 0) for part in parts.groups()] if parts else []
    total_s = sum(value * unit_s for value, unit_s in zip(values, _UNIT_S, strict=bool(values)))
    if not 0 < total_s < math.inf:
        raise OptionError(
            f"{quoted(text)} is not a duration; write 2h, 10m, 90s, 1d12h, 1h30m or 01:30:00"
        )
    return total_s


def _check_duration(text: str) -> str:
    try:
        parse_duration(text)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return text


Duration = Annotated[str, AfterValidator(_check_duration)]
"""The text of a duration, for pydantic."""
