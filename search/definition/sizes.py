"""Sizes on a disk such as `500MB`, `2GB` or `0`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

from ...base.messages import quoted
from ...errors import ConfigError, OptionError

_BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_size(text: str) -> int:
    """The size in bytes.

    Raises:
        OptionError: the text is not a size.
    """
    if text.strip() == "0":
        return 0
    parts = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)(kB|MB|GB|TB)", text.strip(), re.ASCII)
    n_bytes = round(float(parts[1]) * _BYTES[parts[2]]) if parts else 0
    if n_bytes <= 0:
        raise OptionError(f"{quoted(text)} is not a size; write 500MB, 2GB, 1.5TB or 0")
    return n_bytes


def _check_size(value: Any) -> str:
    text = "0" if value == 0 and type(value) is int else value
    if not isinstance(text, str):
        raise ValueError(f"{quoted(value)} is not a size; write 500MB, 2GB, 1.5TB or 0")
    try:
        parse_size(text)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return text


Size = Annotated[str, BeforeValidator(_check_size)]
"""The text of a size, for pydantic; the number 0 is one too."""
