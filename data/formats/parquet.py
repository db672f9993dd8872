"""Reads the ratings, or other columns, of a Parquet file, with pyarrow where it is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ...base.messages import format_error
from ...errors import DataError
from ..ratings import Float, Int
from ..tables.columns import (
    ITEM,
    NAMES_EXAMPLE,
    RATING,
    REMEDY,
    TIMESTAMP,
    USER,
    ColumnError,
    Role,
    find_columns,
)
from ..tables.ids import Labels
from ..tables.labels import labels_of
from ..tables.sources import Source
from .text_ratings import RawRatings

SUFFIXES = (".parquet", ".pq")


class ParquetColumns(NamedTuple):
    """Columns of a Parquet file.

    Attributes:
        labels: MovieLens' name of a column -> its name in the file.
        series: MovieLens' name of a column -> its values.
        place: where a row is, such as `ratings.parquet row 7`.
    """

    labels: dict[str, str]
    series: dict[str, pd.Series[Any]]
    place: Callable[[int], str]


def read_columns(
    source: Source,
    required: Sequence[Role],
    optional: Sequence[Role],
    chosen: Mapping[str, str],
    remedy: str,
) -> ParquetColumns:
    """The columns of a Parquet file that have these roles; others are ignored.

    Args:
        chosen: key of a role -> name of its column.
        remedy: what to do if a column is missing.

    Raises:
        DataError: pyarrow is missing, the file is damaged, a required column is missing, or one
            could be either of two.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise DataError(
            f"{source} needs pyarrow to be read; run: pip install 'recsys-search[parquet]'"
        ) from None
    try:
        with source.open() as file:
            parquet_file = parquet.ParquetFile(file)
            names = parquet_file.schema_arrow.names
            columns = find_columns(names, required, optional, chosen)
            table = parquet_file.read(columns=[names[i] for i in columns.values()])
    except ColumnError as error:
        raise DataError(f"{source} {error}; {error.remedy or remedy}") from None
    except (ArrowException, OSError) as error:
        raise DataError(f"{source} is damaged: {format_error(error)}; copy it again") from None
    labels = {name: names[i] for name, i in columns.items()}

    series = {name: table.column(label).to_pandas() for name, label in labels.items()}
    return ParquetColumns(labels, series, lambda row: f"{source} row {row + 1}")


def read_parquet(source: Source, chosen: Mapping[str, str]) -> RawRatings:
    """The ratings of a Parquet file; the types of its columns decide what ids and times are.

    Args:
        chosen: key of a role -> name of its column.

    Raises:
        DataError: as for `read_columns`, or a value is missing or not a number.
    """
    labels, series, place = read_columns(
        source, (USER, ITEM, RATING), (TIMESTAMP,), chosen, f"{REMEDY} {NAMES_EXAMPLE}"
    )
    for name, column in series.items():
        if column.isna().any():
            row = int(np.argmax(column.isna()))
            raise DataError(f"{place(row)}: {labels[name]} is empty; drop the row")
    rating = _ratings(series[RATING.name], labels[RATING.name], place)
    return RawRatings(
        user=labels_of(series[USER.name]),
        film=labels_of(series[ITEM.name]),
        rating=rating,
        timestamp=_times(series.get(TIMESTAMP.name)),
        labels=labels,
        place=place,
    )


def _ratings(column: pd.Series[Any], label: str, place: Callable[[int], str]) -> Float:
    try:
        with np.errstate(over="ignore"):
            rating = column.to_numpy(np.float32)
    except (TypeError, ValueError):
        raise DataError(f"{place(0)}: {label} is not a number; store it as one") from None
    if not np.isfinite(rating).all():
        row = int(np.argmin(np.isfinite(rating)))
        raise DataError(f"{place(row)}: {label} {column.iloc[row]} is not finite; drop the row")
    return rating


def _times(column: pd.Series[Any] | None) -> Labels | Int | None:
    if column is None:
        return None
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        utc = pd.to_datetime(column, utc=True).dt.tz_localize(None).to_numpy()
        return utc.astype("datetime64[s]").astype(np.int64)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return np.floor(column.to_numpy()).astype(np.int64)
    return labels_of(column)
