"""Labels of the columns that pandas reads; the rest of `ids.py` does without its slow import."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .ids import INT64, Labels


def labels_of(column: pd.Series[Any]) -> Labels:
    """Labels of a pandas column: integers of 64 bits as they are, anything else as text."""
    is_number = pd.api.types.is_integer_dtype(column.dtype)
    codes, values = pd.factorize(column, sort=is_number)
    codes = codes.astype(np.int64, copy=False)
    if is_number and not (values > INT64.max).any():  # unsigned ones may be larger
        return Labels(codes, np.asarray(values, np.int64))
    return Labels(codes, [str(value) for value in values])
