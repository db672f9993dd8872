"""Both parsers' columns as plain values, to compare them."""

from __future__ import annotations

import numpy as np
import pytest
from recsys_search.data.tables.ids import Column, resolve_ids
from recsys_search.data.tables.times import resolve_times
from recsys_search.errors import DataError


@pytest.fixture
def resolved():
    """The ids, ratings and times of raw ratings, or the message of the error in them."""

    def resolved(raw):
        try:
            columns = [raw.rating]
            for labels, name in ((raw.user, "userId"), (raw.film, "movieId")):
                ids = resolve_ids(labels, Column(name, raw.place))
                columns.append(ids.ids[ids.codes])
            if raw.timestamp is not None:
                columns.append(resolve_times(raw.timestamp, Column("timestamp", raw.place)))
        except DataError as error:
            return str(error)
        return columns

    return resolved


@pytest.fixture
def assert_same(resolved):
    """Assert that two parsers read the same, or found the same error."""

    def assert_same(one, other, what=""):
        one, other = resolved(one), resolved(other)
        if isinstance(one, str) or isinstance(other, str):
            assert one == other, what
            return
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=what)

    return assert_same
