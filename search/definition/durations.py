"""Durations such as `2h`, `10m`, `90s` or `1h30m`."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import AfterValidator

from ...base.messages import quoted
from ...errors import ConfigError, OptionError


def parse_duration(text: str) -> float:
    """The duration in seconds.

    Raises:
        OptionError: the text is not a duration, or not above zero.
    """
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.strip(), re.ASCII)
    hours, minutes, seconds = (float(part or 0) for part in parts.groups()) if parts else (0, 0, 0)
    total_s = hours * 3600 + minutes * 60 + seconds
    if not 0 < total_s < math.inf:
        raise OptionError(f"{quoted(text)} is not a duration; write 2h, 10m, 90s or 1h30m")
    return total_s


def _check_duration(text: str) -> str:
    try:
        parse_duration(text)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return text


Duration = Annotated[str, AfterValidator(_check_duration)]
"""The text of a duration, for pydantic."""
