"""Callbacks whose errors do not end the work that they are called from."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import ParamSpec

from .messages import format_error

P = ParamSpec("P")


def never_failing(callback: Callable[P, object], name: str) -> Callable[P, None]:
    """The callback, whose first exception becomes a warning and whose later ones are ignored.

    KeyboardInterrupt and SystemExit pass.

    Args:
        name: of the callback, for the warning.
    """
    failed = False

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal failed
        try:
            callback(*args, **kwargs)
        except Exception as error:
            if not failed:
                failed = True
                warnings.warn(
                    f"{name} failed with {format_error(error)}; the work goes on, and further "
                    f"errors of {name} are not shown",
                    stacklevel=2,
                )

    return call
